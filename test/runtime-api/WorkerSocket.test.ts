import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { afterAll, describe, expect } from "vitest"
import { WorkerId } from "../../src/domain/Worker.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { WorkerSocket } from "../../src/runtime-api/WorkerSocket.ts"
import { next } from "../support/runtimeConnection.ts"

const folder = mkdtempSync(join(tmpdir(), "irori-socket-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, "runtime-api.sock")

const request = `GET ${next} HTTP/1.1\r\nHost: x\r\n\r\n`

/** Says `pieces`, one after the other, and no more. */
const say = (...pieces: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = connect({ path })
      socket.on("error", () => {})
      await new Promise((resolve) => socket.once("connect", resolve))
      for (const piece of pieces) {
        await new Promise((resolve) => socket.write(piece, resolve))
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const cut = (socket: Socket) =>
  Effect.promise(() => (socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once("close", resolve))))

const made = Effect.flatMap(WorkerSocket.make(folder), (socket) =>
  socket === undefined ? Effect.die(new Error("there is no socket")) : Effect.succeed(socket)
)

/** A key, and the path it is for. */
const parts = (invitation = "") => invitation.split("@") as [key: string, path: string]
const keyOf = (invitation: string | undefined) => parts(invitation)[0]

describe("the workers' Unix socket", () => {
  it.live.each([
    { what: "together with its first request", pieces: (key: string) => [`${key}\n${request}`] },
    { what: "before its first request", pieces: (key: string) => [`${key}\n`, request] },
    { what: "byte by byte", pieces: (key: string) => [...`${key}\n${request}`] }
  ])("lets in a runtime that says its worker's key $what", ({ pieces }) =>
    Effect.gen(function* () {
      const socket = yield* made
      const listener = yield* (yield* RuntimeApi).open(WorkerId.make("w1"), "127.0.0.1")
      const invitation = yield* socket.invite((stream) => listener.welcome(stream))
      expect(parts(invitation)[1]).toBe(path)
      const ready = yield* Effect.forkChild(listener.initialized, { startImmediately: true })
      yield* say(...pieces(keyOf(invitation)))
      yield* Fiber.join(ready)
    }).pipe(Effect.scoped, Effect.provide(RuntimeApi.layer))
  )

  it.live("lets nobody in by a key that has been used", () =>
    Effect.gen(function* () {
      let entered = 0
      const key = keyOf(yield* (yield* made).invite(() => entered++))
      yield* say(`${key}\n`)
      yield* cut(yield* say(`${key}\n`))
      expect(entered).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.live.each([
    { what: "a key of nobody's", words: `${"0".repeat(32)}\n${request}` },
    { what: "none", words: request },
    { what: "no end of one", words: "f".repeat(4096) },
    { what: "less than one", words: "\n" }
  ])("cuts whoever says $what", ({ words }) =>
    Effect.gen(function* () {
      let entered = 0
      yield* (yield* made).invite(() => entered++)
      yield* cut(yield* say(words))
      expect(entered).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.live("lets nobody in by the key of a worker that is gone", () =>
    Effect.gen(function* () {
      let entered = 0
      const socket = yield* made
      const worker = yield* Scope.make()
      const key = keyOf(
        yield* Scope.provide(
          socket.invite(() => entered++),
          worker
        )
      )
      yield* Scope.close(worker, Exit.void)
      yield* cut(yield* say(`${key}\n`))
      expect(entered).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.live("takes the place of one that a killed process left, and leaves none", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(made)
      expect(existsSync(path)).toBe(false)
      const left = Bun.spawn([
        process.execPath,
        "-e",
        `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); console.log("there")`
      ])
      yield* Effect.promise(() => left.stdout.getReader().read())
      left.kill("SIGKILL")
      yield* Effect.promise(() => left.exited)
      expect(existsSync(path)).toBe(true)
      let entered = 0
      const key = keyOf(yield* (yield* made).invite(() => entered++))
      yield* say(`${key}\n`)
      yield* Effect.repeat(
        Effect.delay(
          Effect.sync(() => entered),
          "1 millis"
        ),
        { until: (count) => count === 1 }
      )
    }).pipe(Effect.scoped)
  )

  it.live("invites nobody once it has been taken away", () =>
    Effect.gen(function* () {
      const socket = yield* made
      rmSync(path)
      expect(yield* socket.invite(() => {})).toBeUndefined()
    }).pipe(Effect.scoped)
  )

  it.live("is none where its path would be too long for one, or there is no such folder", () =>
    Effect.gen(function* () {
      const deep = join(folder, "x".repeat(120))
      mkdirSync(deep, { recursive: true })
      expect(yield* WorkerSocket.make(deep)).toBeUndefined()
      expect(yield* WorkerSocket.make(join(folder, "missing"))).toBeUndefined()
    }).pipe(Effect.scoped)
  )
})
