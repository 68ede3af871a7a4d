/** What Docker's provisioner does beyond the contract, on the engine of this machine, at times behind a proxy. */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Logger, PubSub, References, Schema, type Scope } from "effect"
import { afterAll, describe } from "vitest"
import { CodeFolder, CodeImage } from "../../src/domain/FunctionConfig.ts"
import type { Worker } from "../../src/domain/Worker.ts"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import type { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { answer, deliver } from "../support/delivery.ts"
import { engine, makeContainer, namesWith, removeContainer } from "../support/docker.ts"
import {
  codeFolder,
  dockerLayer,
  imageFunction,
  labelOf,
  newInstance,
  nodeFunction
} from "../support/dockerSubjects.ts"
import { type EngineProxy, engineProxy } from "../support/engineProxy.ts"
import { nodeBaseImage, workerImage } from "../support/images.ts"

const probe = `
import { readFileSync, writeFileSync } from "node:fs"
const tries = (path) => { try { writeFileSync(path, "x"); return "written" } catch (error) { return error.code } }
const status = Object.fromEntries(readFileSync("/proc/self/status", "utf8").split("\\n").map((line) => line.split(":\\t")))
export const handler = async () => ({
  uid: process.getuid(), gid: process.getgid(), cwd: process.cwd(),
  capabilities: status.CapEff, noNewPrivileges: status.NoNewPrivs,
  files: /Max open files +(\\d+) +(\\d+)/.exec(readFileSync("/proc/self/limits", "utf8")).slice(1),
  root: tries("/x"), task: tries("/var/task/x"), tmp: tries("/tmp/x"),
  env: process.env
})
`

const image = await workerImage()
const baseImage = await nodeBaseImage()
const code = codeFolder({ "probe.mjs": probe })
afterAll(code.remove)

const stop = (worker: { readonly id: Worker["id"] }) => Effect.flatMap(Provisioner, ({ stop }) => stop(worker.id))

const why = "missing" in image ? image.missing : "missing" in baseImage ? baseImage.missing : undefined

describe("DockerProvisioner", () => {
  if ("missing" in image || "missing" in baseImage) {
    it.skip(`is not tested here: ${why}`)
    return
  }

  interface Place {
    readonly instance: string
    /** What there is of this instance's containers. */
    readonly remains: Effect.Effect<ReadonlyArray<string>>
    readonly proxy: EngineProxy
  }
  type Options = Parameters<typeof dockerLayer>[1]

  /** `body` runs with a provisioner behind a proxy; afterwards nothing of it may be left on the machine. */
  const test = (
    sentence: string,
    body: (place: Place) => Effect.Effect<unknown, unknown, Provisioner | RuntimeApi | Scope.Scope>,
    options: Options = {},
    docker: Parameters<typeof dockerLayer>[2] = {}
  ) =>
    it.live(sentence, () =>
      Effect.gen(function* () {
        const instance = newInstance()
        const proxy = yield* engineProxy()
        const remains = namesWith(labelOf(instance))
        const baseImages = new Map([["nodejs22.x", baseImage.name]])
        const layer = dockerLayer(instance, { baseImages, ...options }, { host: proxy.host, ...docker })
        yield* Effect.scoped(body({ instance, remains, proxy })).pipe(
          Effect.provide(layer),
          Effect.ensuring(Effect.sync(() => proxy.release()))
        )
        expect(yield* remains).toEqual([])
        yield* proxy.untilOpen(0)
      }).pipe(Effect.scoped)
    )

  const start = (config: Parameters<Provisioner["Service"]["start"]>[0]) =>
    Effect.flatMap(Provisioner, (provisioner) => provisioner.start(config))

  const post = (worker: Worker, event: unknown) =>
    Effect.promise(async () => {
      const url = `http://${worker.host}:${worker.port}/2015-03-31/functions/function/invocations`
      return (await fetch(url, { method: "POST", body: JSON.stringify(event) })).json()
    })

  test("gives a function its code, its variables and /tmp, and nothing else of the machine", ({ instance }) =>
    Effect.gen(function* () {
      const config = nodeFunction(code.path, "probe.handler", { environment: { MINE: "1" }, memoryMegabytes: 256 })
      const worker = yield* start(config)
      const { body } = yield* answer(worker)
      expect(body).toMatchObject({
        uid: 1051,
        gid: 1051,
        cwd: "/var/task",
        capabilities: "0000000000000000",
        noNewPrivileges: "1",
        files: ["1024", "1024"],
        root: "EROFS",
        task: "EROFS",
        tmp: "written",
        env: {
          MINE: "1",
          _HANDLER: "probe.handler",
          AWS_LAMBDA_FUNCTION_NAME: "docker-probe",
          AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
          AWS_REGION: "us-east-1",
          AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x",
          AWS_LAMBDA_LOG_STREAM_NAME: expect.stringMatching(/^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/)
        }
      })
      const found = yield* Effect.promise(() => engine("GET", `/containers/${worker.id}/json`).then((a) => a.json()))
      expect(worker.id).toMatch(/^lambda-docker-probe-[0-9a-f]{8}$/)
      expect(found).toMatchObject({
        Config: {
          Labels: {
            created_by: "irori",
            "irori.instance": instance,
            "irori.boot": "boot-1",
            "irori.function": "docker-probe",
            "irori.version": "$LATEST"
          }
        },
        HostConfig: {
          Memory: 256 * 1024 * 1024,
          MemorySwap: 256 * 1024 * 1024,
          CpuShares: 148,
          PidsLimit: 1024,
          Privileged: false,
          RestartPolicy: { Name: "no" },
          LogConfig: { Type: "json-file", Config: { "max-size": "4m" } }
        }
      })
    }))

  test("starts an image with the emulator's protocol, and is ready without an event", () =>
    Effect.gen(function* () {
      const worker = yield* start(imageFunction(image.name, "slow:200", { transport: "rie" }))
      expect(worker).toMatchObject({ transport: "rie", port: 8080 })
      expect(yield* post(worker, { a: 1 })).toEqual({ a: 1 })
      const found = yield* Effect.promise(() => engine("GET", `/containers/${worker.id}/json`).then((a) => a.json()))
      const env = Schema.decodeUnknownSync(
        Schema.Struct({ Config: Schema.Struct({ Env: Schema.Array(Schema.String) }) })
      )(found).Config.Env
      expect(env).toContain("AWS_LAMBDA_FUNCTION_TIMEOUT=4")
      expect(env.some((variable) => variable.startsWith("AWS_LAMBDA_RUNTIME_API="))).toBe(false)
    }))

  test("says how an image ended that was to listen and did not", () =>
    Effect.gen(function* () {
      const { failure } = yield* Effect.flip(start(imageFunction(image.name, "exit:3", { transport: "rie" })))
      expect(failure).toEqual({
        reason: "InitExited",
        exit: { code: 3 },
        detail: "The worker ended before it listened on port 8080: Runtime exited with error: exit status 3."
      })
    }))

  test(
    "gives up an image that does not listen in time",
    () =>
      Effect.gen(function* () {
        const { failure } = yield* Effect.flip(start(imageFunction(image.name, "stuck", { transport: "rie" })))
        expect(failure.reason).toBe("InitTimedOut")
      }),
    { readinessTimeout: Duration.millis(300) }
  )

  test(
    "starts a function whose initialisation was too slow once more, with its own timeout as the limit",
    ({ proxy }) =>
      Effect.gen(function* () {
        const worker = yield* start(imageFunction(image.name, "slow:600", { timeout: Duration.seconds(10) }))
        expect((yield* answer(worker, "x")).body).toBe("x")
        expect(proxy.seen.filter((request) => request.includes("/containers/create")).length).toBe(2)
      }),
    { initTimeout: Duration.millis(100) }
  )

  test("tells that a function ran out of memory, to the one who waits and to all who watch for deaths", () =>
    Effect.gen(function* () {
      const deaths = yield* PubSub.subscribe((yield* Provisioner).deaths)
      const worker = yield* start(imageFunction(image.name))
      expect(yield* deliver(worker, { allocate: 300 })).toMatchObject({
        _tag: "Lost",
        began: true,
        exit: { signal: "killed", outOfMemory: true }
      })
      expect(yield* PubSub.take(deaths)).toEqual({ id: worker.id, exit: { signal: "killed", outOfMemory: true } })
    }))

  test("hands on what a function prints, its last words included", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ fiber, message }) => {
        const annotations = fiber.getRef(References.CurrentLogAnnotations)
        if (annotations.job === "lambda") logged.push([message, annotations])
      })
      const config = imageFunction(image.name)
      const fields = { job: "lambda", function_name: "docker-image" }
      yield* Effect.gen(function* () {
        const deaths = yield* PubSub.subscribe((yield* Provisioner).deaths)
        const worker = yield* start(config)
        yield* answer(worker, { print: "called" })
        yield* Effect.forkChild(deliver(worker, { print: "and then", exit: 9 }))
        yield* PubSub.take(deaths)
        yield* stop(worker)
        const line = (text: string) => [[text], { ...fields, worker: worker.id, stream: "stdout" }]
        expect(logged).toEqual([line("function docker-image is up"), line("called"), line("and then")])
        logged.length = 0
        yield* Effect.flip(start(imageFunction(image.name, "exit:2")))
        expect(logged).toContainEqual([["last words"], expect.objectContaining({ ...fields, stream: "stderr" })])
      }).pipe(Effect.provide(Logger.layer([logger])))
    }))

  const folder = new CodeFolder({ path: "/no/such/folder" })
  const refusals = [
    ["ImageNotFound", { code: new CodeImage({ uri: "irori-test/nowhere:1" }) }, "`docker pull irori-test/nowhere:1`"],
    ["ImageNotFound", { runtime: "nodejs24.x" }, "`docker pull public.ecr.aws/lambda/nodejs:24`"],
    ["RuntimeUnavailable", { runtime: "cobol85" }, "There is no runtime 'cobol85'"],
    ["Refused", { code: folder }, "/no/such/folder"]
  ] as const
  for (const [reason, settings, text] of refusals) {
    test(`fails with ${reason} and one line that names ${text}`, () =>
      Effect.gen(function* () {
        const { failure } = yield* Effect.flip(start(nodeFunction(code.path, "probe.handler", settings)))
        expect(failure.reason).toBe(reason)
        expect(failure.detail).toContain(text)
        expect(failure.detail).not.toContain("\n")
      }))
  }

  test(
    "fetches an image that is missing where it may, and says why it could not",
    ({ proxy }) =>
      Effect.gen(function* () {
        const { failure } = yield* Effect.flip(start(imageFunction("127.0.0.1:1/nobody:1")))
        expect(failure.reason).toBe("ImageNotFound")
        expect(failure.detail).toContain("connection refused")
        expect(proxy.seen.some((request) => request.includes("/images/create"))).toBe(true)
      }),
    { pull: "missing" }
  )

  test(
    "fails when the network is not there",
    () =>
      Effect.gen(function* () {
        const { failure } = yield* Effect.flip(start(imageFunction(image.name)))
        expect(failure).toMatchObject({ reason: "Refused", detail: expect.stringContaining("no-such-network") })
      }),
    { network: "no-such-network" }
  )

  test("sees the death of a container that somebody else killed, or removed", () =>
    Effect.gen(function* () {
      const deaths = yield* PubSub.subscribe((yield* Provisioner).deaths)
      const killed = yield* start(imageFunction(image.name))
      yield* Effect.promise(() => engine("POST", `/containers/${killed.id}/kill`))
      expect(yield* PubSub.take(deaths)).toEqual({ id: killed.id, exit: { signal: "killed" } })
      const removed = yield* start(imageFunction(image.name))
      yield* removeContainer(removed.id)
      expect((yield* PubSub.take(deaths)).id).toBe(removed.id)
      expect(yield* (yield* Provisioner).list).toEqual([])
    }))

  test("finds the deaths that came while the event stream was broken, when it is there again", ({ proxy }) =>
    Effect.gen(function* () {
      const deaths = yield* PubSub.subscribe((yield* Provisioner).deaths)
      const worker = yield* start(imageFunction(image.name))
      const survivor = yield* start(imageFunction(image.name))
      proxy.when(/GET \/events/, { is: "drop" })
      proxy.cut(/GET \/events/)
      yield* proxy.until(/GET \/events/, 2)
      yield* Effect.promise(() => engine("POST", `/containers/${worker.id}/kill`))
      expect((yield* (yield* Provisioner).list).length).toBe(2)
      proxy.release()
      expect(yield* PubSub.take(deaths)).toEqual({ id: worker.id, exit: { signal: "killed" } })
      expect((yield* (yield* Provisioner).list).map(({ id }) => id)).toEqual([survivor.id])
      // And events are followed again.
      yield* Effect.promise(() => engine("POST", `/containers/${survivor.id}/kill`))
      expect((yield* PubSub.take(deaths)).id).toBe(survivor.id)
    }))

  const untilGone = (remains: Place["remains"]) =>
    remains.pipe(
      Effect.delay("20 millis"),
      Effect.repeat({ until: (left) => left.length === 0 }),
      Effect.timeout("10 seconds")
    )

  test("removes the container of a start that was interrupted while the engine was making it", ({ proxy, remains }) =>
    Effect.gen(function* () {
      proxy.when(/containers\/create/, { is: "mute" })
      const starting = yield* Effect.forkChild(start(imageFunction(image.name)))
      yield* remains.pipe(Effect.delay("10 millis"), Effect.repeat({ until: (there) => there.length > 0 }))
      const interrupted = yield* Effect.forkChild(Fiber.interrupt(starting))
      proxy.release()
      yield* Fiber.join(interrupted)
      expect(yield* remains).toEqual([])
    }))

  test(
    "fails when the engine is too slow to make a container, and removes the one that comes of it yet",
    ({ proxy, remains }) =>
      Effect.gen(function* () {
        proxy.when(/containers\/create/, { is: "hold" })
        const { failure } = yield* Effect.flip(start(imageFunction(image.name)))
        expect(failure).toMatchObject({
          reason: "EngineUnavailable",
          detail: expect.stringContaining("did not answer within 1s")
        })
        expect(yield* remains).toEqual([])
        const removals = () => proxy.seen.filter((request) => request.startsWith("DELETE")).length
        const before = removals()
        // The engine gets the request only now, long after its caller has left.
        proxy.release()
        yield* proxy.until(/DELETE/, before + 1)
        yield* untilGone(remains)
      }),
    {},
    { timeout: Duration.seconds(1) }
  )

  test("tries again to remove what the engine does not remove", ({ proxy, remains }) =>
    Effect.gen(function* () {
      const worker = yield* start(imageFunction(image.name))
      proxy.when(/DELETE/, { is: "answer", status: 500, body: '{"message":"device or resource busy"}' })
      const stopping = yield* Effect.forkChild(stop(worker))
      yield* proxy.until(/DELETE/, 2)
      expect(yield* (yield* Provisioner).list).toEqual([])
      expect(yield* remains).toEqual([worker.id])
      proxy.release()
      yield* Fiber.join(stopping)
      expect(yield* remains).toEqual([])
    }))

  it.live("removes what an earlier run of its instance left, and nothing of another instance", () =>
    Effect.gen(function* () {
      const mine = newInstance()
      const theirs = newInstance()
      const left = (instance: string, name: string) =>
        makeContainer(name, image.name, { created_by: "irori", "irori.instance": instance, "irori.boot": "boot-0" })
      yield* Effect.forEach([1, 2, 3], (n) => left(mine, `${mine}-${n}`))
      yield* left(theirs, `${theirs}-1`)
      yield* makeContainer(`${theirs}-unlabelled`, image.name, {})
      yield* Effect.gen(function* () {
        expect(yield* namesWith(labelOf(mine))).toEqual([])
        expect(yield* namesWith(labelOf(theirs))).toEqual([`${theirs}-1`])
      }).pipe(
        Effect.provide(dockerLayer(mine)),
        Effect.ensuring(Effect.forEach([`${theirs}-1`, `${theirs}-unlabelled`], removeContainer))
      )
    })
  )

  it.live("leaves the workers of another instance on the same engine alone, when it closes too", () =>
    Effect.gen(function* () {
      const [one, other] = [newInstance(), newInstance()]
      yield* Effect.gen(function* () {
        const survivor = yield* start(imageFunction(image.name))
        yield* Effect.gen(function* () {
          const provisioner = yield* Provisioner
          const worker = yield* provisioner.start(imageFunction(image.name))
          yield* provisioner.stop(survivor.id)
          expect((yield* provisioner.list).map(({ id }) => id)).toEqual([worker.id])
        }).pipe(Effect.provide(Layer.fresh(dockerLayer(other))))
        expect(yield* namesWith(labelOf(other))).toEqual([])
        expect(yield* namesWith(labelOf(one))).toEqual([survivor.id])
        expect((yield* answer(survivor, "alive")).body).toBe("alive")
      }).pipe(Effect.provide(dockerLayer(one)))
      expect(yield* namesWith(labelOf(one))).toEqual([])
    })
  )

  it.live("takes eight workers with it within five seconds when it closes", () =>
    Effect.gen(function* () {
      const instance = newInstance()
      const elapsed = yield* Effect.gen(function* () {
        yield* Effect.all(
          Array.from({ length: 8 }, () => start(imageFunction(image.name))),
          { concurrency: "unbounded" }
        )
        return performance.now()
      }).pipe(
        Effect.provide(dockerLayer(instance)),
        Effect.map((closing) => performance.now() - closing)
      )
      expect(yield* namesWith(labelOf(instance))).toEqual([])
      expect(elapsed).toBeLessThan(5000)
    })
  )
})

describe("DockerProvisioner (without an engine)", () => {
  it.live("comes up all the same, and fails every start with one line that says what to do", () =>
    Effect.gen(function* () {
      const provisioner = yield* Provisioner
      const exit = yield* Effect.exit(provisioner.start(imageFunction("some/image:1")))
      expect(Exit.isFailure(exit)).toBe(true)
      const { failure } = yield* Effect.flip(provisioner.start(imageFunction("some/image:1")))
      expect(failure).toEqual({
        reason: "EngineUnavailable",
        detail:
          "Docker cannot be reached at unix:///nowhere/docker.sock: is Docker installed and running? (`systemctl start docker`)"
      })
      expect(yield* provisioner.list).toEqual([])
    }).pipe(Effect.provide(dockerLayer(newInstance(), {}, { host: "unix:///nowhere/docker.sock" })))
  )
})
