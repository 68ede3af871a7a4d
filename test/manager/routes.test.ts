import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, ManagedRuntime, Schema } from "effect"
import { manager } from "../../plugins/manager/index.ts"
import { CodeImage, FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import type { StartFailure } from "../../src/domain/Worker.ts"
import * as Manager from "../../src/provision/Manager.ts"
import { StartFailed } from "../../src/provision/Provisioner.ts"
import { functionConfig } from "../support/functions.ts"
import { FakeMachine } from "./fakes.ts"
import { measuring } from "./measuring.ts"
import { token } from "./server.ts"

const subject = (options: Partial<Manager.ManagerOptions> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const machine = new FakeMachine()
      const runtime = ManagedRuntime.make(
        Manager.layer({ codeRoots: ["/code"], idleTimeout: Duration.minutes(5), ...options }).pipe(
          Layer.provide([machine.provisioner, machine.workerClient]),
          Layer.merge(measuring())
        )
      )
      const app = manager(runtime, { token })
      const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
        Effect.promise(async () => {
          const response = await app.handle(
            new Request(`http://localhost${path}`, {
              method,
              headers: { authorization: `Bearer ${token}`, ...headers },
              ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) })
            })
          )
          return { status: response.status, body: (await response.json()) as Record<string, unknown> }
        })
      return { machine, runtime, app, ask }
    }),
    ({ runtime }) => Effect.promise(() => runtime.dispose())
  )

const encoded = (config: FunctionConfig) => Schema.encodeSync(Schema.toCodecJson(FunctionConfig))(config)

describe("the manager's routes", () => {
  it.effect.each([
    ["GET", "/containers/sync"],
    ["POST", "/containers/provision"],
    ["POST", "/containers/ensure"],
    ["POST", "/containers/heartbeat"],
    ["DELETE", "/containers/w"],
    ["POST", "/containers/w/pause"],
    ["POST", "/containers/w/resume"],
    ["POST", "/containers/w/invocations"],
    ["GET", "/containers/nothing/here"]
  ] as const)("%s %s is for those with the token only, who learn nothing else", ([method, path]) =>
    Effect.gen(function* () {
      const { ask } = yield* subject()
      const unauthorized = { status: 401, body: { detail: "Unauthorized" } }
      const body = method === "POST" ? "no JSON" : undefined
      for (const authorization of ["", "Bearer", "Bearer another", token, `Basic ${token}`, `Bearer ${token}x`]) {
        expect(yield* ask(method, path, body, { authorization })).toEqual(unauthorized)
      }
    })
  )

  it.effect("no spelling of a path leads around the token", () =>
    Effect.gen(function* () {
      const { app } = yield* subject()
      for (const url of [
        "http://localhost/%63ontainers/sync",
        "http://localhost//containers/sync",
        "http://localhost/containers/sync/",
        "http://localhost/health/../containers/sync",
        // The router looks for the path behind the eleventh letter, whatever the host's length.
        "http://x/abc/containers/sync"
      ]) {
        const response = yield* Effect.promise(() => app.handle(new Request(url)))
        expect([401, 404]).toContain(response.status)
      }
    })
  )

  it.effect("health needs no token and asks nothing of the machine", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject()
      const { body, status } = yield* ask("GET", "/health", undefined, { authorization: "" })
      expect([status, body.status]).toEqual([200, "healthy"])
      expect(new Date(String(body.timestamp)).toISOString()).toBe(body.timestamp)
      expect(machine.calls).toEqual([])
    })
  )

  it.effect("provision takes a caller that knows only a name for one that posts to an emulator", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject()
      const { body, status } = yield* ask("POST", "/containers/provision", {
        function_name: "hello",
        count: 2,
        env: { KEY: "value" },
        request_id: "r"
      })
      expect(status).toBe(200)
      expect(body.workers).toMatchObject([
        { id: "w-1", name: "w-1", ip_address: "127.0.0.1", port: 1001, function_name: "hello", status: "running" },
        { id: "w-2", transport: "rie", version: "$LATEST" }
      ])
      expect(machine.configs[0]).toMatchObject({
        code: new CodeImage({ uri: "hello:latest" }),
        environment: { KEY: "value" },
        transport: "rie"
      })
    })
  )

  it.effect("provision starts one worker where no count is given, in whatever type the body comes", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject()
      const body = { function_name: "hello", function: encoded(functionConfig()) }
      const asked = yield* ask("POST", "/containers/provision", body, { "content-type": "application/octet-stream" })
      expect(asked.status).toBe(200)
      expect(machine.configs).toEqual([functionConfig()])
    })
  )

  it.effect("a dry run checks what a run would, and starts nothing", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject({ maxWorkers: 2 })
      const run = (count: number) =>
        ask("POST", "/containers/provision", { function_name: "hello", image: "i", count, dry_run: true })
      expect(yield* run(2)).toEqual({ status: 200, body: { workers: [] } })
      expect((yield* run(3)).status).toBe(429)
      expect(machine.calls).toEqual([])
    })
  )

  it.effect("ensure answers with where the worker is", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject()
      const ensure = ask("POST", "/containers/ensure", { function_name: "hello", image: "hello:1" })
      expect(yield* ensure).toEqual({ status: 200, body: { host: "127.0.0.1", port: 1001 } })
      expect((yield* ensure).body.port).toBe(1001)
      expect(machine.calls).toEqual(["start w-1"])
    })
  )

  it.effect("sync lists workers with their times in seconds", () =>
    Effect.gen(function* () {
      const { ask } = yield* subject()
      const before = Date.now() / 1000
      yield* ask("POST", "/containers/provision", { function_name: "hello" })
      const { body } = yield* ask("GET", "/containers/sync")
      const [only] = body.containers as ReadonlyArray<Record<string, number>>
      expect(only?.created_at).toBe(0)
      expect(only?.last_used_at).toBeGreaterThanOrEqual(before)
      expect(only?.last_used_at).toBeLessThanOrEqual(Date.now() / 1000)
    })
  )

  it.effect("pause and resume answer with what the worker is from then on, and so does sync", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject()
      const status = Effect.map(ask("GET", "/containers/sync"), ({ body }) =>
        (body.containers as ReadonlyArray<Record<string, unknown>>).map(({ status }) => status)
      )
      yield* ask("POST", "/containers/provision", { function_name: "hello" })
      expect(yield* ask("POST", "/containers/w-1/pause")).toEqual({ status: 200, body: { status: "paused" } })
      expect(yield* status).toEqual(["paused"])
      expect(yield* ask("POST", "/containers/w-1/resume")).toEqual({ status: 200, body: { status: "running" } })
      expect(yield* status).toEqual(["running"])
      expect(machine.calls.slice(1)).toEqual(["pause w-1", "resume w-1"])
    })
  )

  it.effect.each(["pause", "resume"])("%s answers 410 for a worker that is gone", (what) =>
    Effect.gen(function* () {
      const { ask } = yield* subject()
      expect(yield* ask("POST", `/containers/w-1/${what}`)).toEqual({
        status: 410,
        body: { detail: "There is no w-1." }
      })
      expect((yield* ask("POST", `/containers/${"%20".repeat(3)}/${what}`)).status).toBe(422)
    })
  )

  it.effect("delete answers 200 for a worker that was there and 404 for one that was not", () =>
    Effect.gen(function* () {
      const { ask } = yield* subject()
      yield* ask("POST", "/containers/provision", { function_name: "hello" })
      expect(yield* ask("DELETE", "/containers/w-1")).toEqual({ status: 200, body: { status: "deleted" } })
      expect(yield* ask("DELETE", "/containers/w-1")).toEqual({
        status: 404,
        body: { detail: "The manager has no worker w-1." }
      })
    })
  )

  it.effect.each([
    ["provision", { function_name: "hello", count: 0 }, "count"],
    ["provision", { function_name: "hello", count: 11 }, "count"],
    ["provision", { function_name: "hello", count: 1.5 }, "count"],
    ["provision", { count: 1 }, "function_name"],
    ["provision", { function_name: "no name" }, "function_name"],
    ["provision", { function_name: "other", function: encoded(functionConfig()) }, "not the name of the function"],
    ["provision", { function_name: "hello", image: "i", function: encoded(functionConfig()) }, "inside"],
    ["ensure", [], "Expected object"],
    ["heartbeat", { function_name: "hello", container_names: ["../x"] }, "container_names"]
  ] as const)("%s refuses a body that is not as it should be: %o", ([path, body, mistake]) =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject()
      const refused = yield* ask("POST", `/containers/${path}`, body)
      expect(refused.status).toBe(422)
      expect(refused.body.detail).toContain(mistake)
      expect(machine.calls).toEqual([])
    })
  )

  it.effect("a body that is no JSON is refused, and so is a path that leads nowhere", () =>
    Effect.gen(function* () {
      const { ask } = yield* subject()
      expect(yield* ask("POST", "/containers/provision", "{")).toEqual({
        status: 400,
        body: { detail: "The body is no JSON." }
      })
      expect(yield* ask("GET", "/containers/w")).toEqual({ status: 404, body: { detail: "Not Found" } })
      const event = yield* ask("POST", "/containers/w/invocations", "{}", { "x-amzn-requestid": "not a UUID" })
      expect(event.status).toBe(422)
    })
  )

  const statuses = {
    ImageNotFound: 404,
    InitTimedOut: 408,
    InitError: 409,
    InitExited: 409,
    RuntimeUnavailable: 409,
    Refused: 400,
    EngineUnavailable: 500
  } satisfies Record<StartFailure["reason"], number>

  it.effect.each(Object.entries(statuses) as ReadonlyArray<[StartFailure["reason"], number]>)(
    "a start that failed with %s is answered with %i and the whole failure",
    ([reason, status]) =>
      Effect.gen(function* () {
        const { ask, machine } = yield* subject()
        const failure = { reason, detail: "why" }
        machine.onStart = () => Effect.fail(new StartFailed({ failure }))
        expect(yield* ask("POST", "/containers/provision", { function_name: "hello" })).toEqual({
          status,
          body: { detail: "why", failure }
        })
      })
  )

  it.effect("code outside the roots is answered with 403", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject({ codeRoots: ["/elsewhere"] })
      const body = { function_name: "hello", function: encoded(functionConfig()) }
      expect((yield* ask("POST", "/containers/provision", body)).status).toBe(403)
      expect(machine.calls).toEqual([])
    })
  )

  it.effect("a bug is answered without what it was", () =>
    Effect.gen(function* () {
      const { ask, machine } = yield* subject()
      machine.onStart = () => Effect.die(new Error("secret"))
      expect(yield* ask("POST", "/containers/provision", { function_name: "hello" })).toEqual({
        status: 500,
        body: { detail: "Internal server error" }
      })
    })
  )
})
