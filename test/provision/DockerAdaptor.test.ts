/** The adaptor over an engine that misbehaves on command; no Docker is needed but for the last part. */

import { createServer } from "node:net"
import { expect, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Logger, References, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { ContainerLog } from "../../src/provision/ContainerLog.ts"
import { DockerAdaptor, type DockerOptions } from "../../src/provision/DockerAdaptor.ts"
import { dockerError } from "../../src/provision/DockerError.ts"
import { noDocker } from "../support/docker.ts"
import { engineProxy } from "../support/engineProxy.ts"

const adaptor = (options: DockerOptions) =>
  Effect.map(Layer.build(DockerAdaptor.layer(options)), (context) => Context.get(context, DockerAdaptor))

/** An adaptor, and the engine that it asks: one that answers whatever it is asked with an empty list. */
const setUp = (options: DockerOptions = {}) =>
  Effect.gen(function* () {
    const proxy = yield* engineProxy("/nowhere")
    const obey = () => proxy.when(/./, { is: "answer", status: 200, body: "[]" })
    obey()
    return { proxy, obey, docker: yield* adaptor({ host: proxy.host, ...options }) }
  })

const times = <A>(count: number, make: (index: number) => A) => Array.from({ length: count }, (_, index) => make(index))
const atOnce = <A, E>(effects: ReadonlyArray<Effect.Effect<A, E>>) =>
  Effect.forkChild(Effect.all(effects, { concurrency: "unbounded" }))

describe("DockerAdaptor", () => {
  it.effect("asks no more at once than it has permits, and goes on as they come free", () =>
    Effect.gen(function* () {
      const { docker, obey, proxy } = yield* setUp({ maxWorkers: 3 })
      proxy.when(/json/, { is: "hold" })
      const lists = yield* atOnce(times(8, () => docker.list({ a: "b" })))
      yield* proxy.until(/json/, 3)
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      expect([proxy.seen.length, proxy.open()]).toEqual([3, 3])
      obey()
      proxy.cut(/json/)
      yield* Effect.exit(Fiber.join(lists))
    })
  )

  it.effect("lets everything else go on while Docker is stuck for 30 seconds, and then catches up", () =>
    Effect.gen(function* () {
      const { docker, obey, proxy } = yield* setUp()
      proxy.when(/GET/, { is: "hold" })
      const ticks: Array<number> = []
      // The clock of tests may have a word of its own to log.
      const logged: Array<string> = []
      yield* Effect.forkChild(
        Effect.gen(function* () {
          ticks.push(ticks.length)
          yield* Effect.logInfo("healthy")
        }).pipe(
          Effect.delay("1 second"),
          Effect.forever,
          Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))]))
        )
      )
      const lists = yield* atOnce(times(25, () => Effect.exit(docker.list({ a: "b" }))))
      yield* proxy.until(/json/, 20)
      yield* TestClock.adjust("30 seconds")
      expect(ticks.length).toBe(30)
      expect(logged.filter((line) => line === "healthy").length).toBe(30)
      obey()
      proxy.cut(/json/)
      const answers = yield* Fiber.join(lists)
      expect(answers.filter(Exit.isSuccess).length).toBe(5)
      expect(answers.filter(Exit.isFailure).length).toBe(20)
    })
  )

  it.effect("gives an operation up when it takes longer than its timeout, and closes its connection", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp({ timeout: Duration.seconds(60) })
      proxy.when(/_ping/, { is: "hold" })
      const ping = yield* Effect.forkChild(Effect.flip(docker.ping))
      yield* proxy.until(/_ping/)
      yield* TestClock.adjust("59999 millis")
      expect(proxy.open()).toBe(1)
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(ping)).toMatchObject({ _tag: "DockerTimedOut", operation: "ping" })
      yield* proxy.untilOpen(0)
    })
  )

  it.effect("keeps its timeout where its caller cannot be interrupted", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp({ timeout: Duration.seconds(60) })
      proxy.when(/_ping/, { is: "hold" })
      const ping = yield* Effect.forkChild(Effect.uninterruptible(Effect.flip(docker.ping)))
      yield* proxy.until(/_ping/)
      yield* TestClock.adjust("60 seconds")
      expect(yield* Fiber.join(ping)).toMatchObject({ _tag: "DockerTimedOut" })
    })
  )

  it.effect("closes the connection of an operation that is interrupted, and gives its permit back", () =>
    Effect.gen(function* () {
      const { docker, obey, proxy } = yield* setUp({ maxWorkers: 1 })
      proxy.when(/_ping/, { is: "hold" })
      const ping = yield* Effect.forkChild(docker.ping)
      yield* proxy.until(/_ping/)
      yield* Fiber.interrupt(ping)
      yield* proxy.untilOpen(0)
      obey()
      yield* docker.ping
    })
  )

  it.effect("has no more containers start at once than may, while other operations go on", () =>
    Effect.gen(function* () {
      const { docker, obey, proxy } = yield* setUp({ maxStarts: 2, maxWorkers: 4 })
      proxy.when(/start/, { is: "hold" })
      const starts = yield* atOnce(times(6, (index) => docker.start(`c${index}`)))
      yield* proxy.until(/start/, 2)
      yield* docker.list({ a: "b" })
      expect(proxy.seen.filter((request) => request.includes("start")).length).toBe(2)
      obey()
      proxy.cut(/start/)
      yield* Effect.exit(Fiber.join(starts))
    })
  )

  it.effect("holds no permit while it pulls, follows events or reads a log", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp({ maxWorkers: 1 })
      proxy.when(/images\/.*json/, { is: "answer", status: 404, body: "{}" })
      proxy.when(/images\/create/, { is: "hold" })
      proxy.when(/events|logs/, { is: "answer", status: 200, body: "", keepOpen: true })
      yield* Effect.forkChild(docker.pull("some/image:1"))
      yield* Effect.forkChild(Stream.runDrain(docker.logs("c", new ContainerLog())))
      yield* Effect.forkChild(Stream.runDrain(yield* docker.events({ a: "b" }, ["die"])))
      yield* Effect.all(["images/create", "logs", "events"].map((path) => proxy.until(new RegExp(path))))
      yield* docker.ping
      yield* proxy.untilOpen(3)
    })
  )

  it.effect("gives up a pull only after a time limit of its own", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp({ pullTimeout: Duration.minutes(10), timeout: Duration.minutes(1) })
      proxy.when(/images\/.*json/, { is: "answer", status: 404, body: "{}" })
      proxy.when(/images\/create/, {
        is: "answer",
        status: 200,
        body: '{"status":"Pulling"}\r\n',
        keepOpen: true
      })
      const pull = yield* Effect.forkChild(Effect.flip(docker.pull("some/image:1")))
      yield* proxy.until(/images\/create\?fromImage=some%2Fimage&tag=1/)
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 50)))
      yield* TestClock.adjust("599 seconds")
      expect(proxy.open()).toBe(1)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(pull)).toMatchObject({ _tag: "DockerTimedOut", operation: "pull" })
    })
  )

  it.effect("fetches nothing when the image is there", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp()
      yield* docker.pull("some/image:1")
      expect(proxy.seen).toEqual(["GET /images/some/image%3A1/json"])
    })
  )

  it.effect("fails a pull whose progress ends with an error", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp()
      proxy.when(/images\/.*json/, { is: "answer", status: 404, body: "{}" })
      const body = '{"status":"Pulling"}\r\n{"error":"no basic auth credentials"}\r\n'
      proxy.when(/images\/create/, { is: "answer", status: 200, body })
      expect(yield* Effect.flip(docker.pull("some/image:1"))).toMatchObject({
        _tag: "DockerFailed",
        detail: "no basic auth credentials"
      })
    })
  )

  it.effect("says in the log which worker does which operation, each at once with a number of its own", () =>
    Effect.gen(function* () {
      const logged: Array<Record<string, unknown>> = []
      const logger = Logger.make(({ fiber }) => void logged.push(fiber.getRef(References.CurrentLogAnnotations)))
      const { docker, obey, proxy } = yield* setUp({ maxWorkers: 2 })
      proxy.when(/json/, { is: "hold" })
      const lists = yield* Effect.all(
        times(3, () => Effect.exit(docker.list({ a: "b" }))),
        { concurrency: "unbounded" }
      ).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug"),
        Effect.forkChild
      )
      yield* proxy.until(/json/, 2)
      expect(logged).toEqual([
        { docker_worker: "docker_worker-0", operation: "list" },
        { docker_worker: "docker_worker-1", operation: "list" }
      ])
      obey()
      proxy.cut(/json/)
      yield* Fiber.join(lists)
      expect(["docker_worker-0", "docker_worker-1"]).toContain(logged[2]?.docker_worker)
    })
  )

  it.effect.each([
    [404, "DockerNotFound"],
    [409, "DockerConflict"],
    [500, "DockerFailed"],
    [400, "DockerFailed"]
  ] as const)("tells an answer of %i as %s, with what the engine said", ([status, tag]) =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp()
      proxy.when(/inspect|json/, { is: "answer", status, body: '{"message":"the reason"}' })
      expect(yield* Effect.flip(docker.inspect("c"))).toMatchObject({ _tag: tag, detail: "the reason" })
    })
  )

  it.effect("takes the start of a container that runs already for done", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp()
      proxy.when(/start/, { is: "answer", status: 304, body: "" })
      yield* docker.start("c")
    })
  )

  it.effect("fails when the connection is lost before there is an answer", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp()
      proxy.when(/json/, { is: "drop" })
      const error = yield* Effect.flip(docker.list({ a: "b" }))
      expect(error).toMatchObject({ _tag: "DockerFailed", operation: "list" })
      expect(error).not.toHaveProperty("status")
    })
  )

  it.effect("waits no longer than its timeout for the rest of an answer that breaks off", () =>
    Effect.gen(function* () {
      const { docker, proxy } = yield* setUp({ timeout: Duration.seconds(60) })
      proxy.when(/json/, { is: "break" })
      const list = yield* Effect.forkChild(Effect.flip(docker.list({ a: "b" })))
      yield* proxy.until(/json/)
      yield* proxy.untilOpen(0)
      yield* TestClock.adjust("60 seconds")
      expect(["DockerTimedOut", "DockerFailed"]).toContain((yield* Fiber.join(list))._tag)
    })
  )

  it.effect("says what to do when there is no socket, and when nobody listens on it", () =>
    Effect.gen(function* () {
      const missing = yield* adaptor({ host: "unix:///nowhere/docker.sock" })
      expect(yield* Effect.flip(missing.ping)).toMatchObject({
        _tag: "DockerUnavailable",
        detail:
          "Docker cannot be reached at unix:///nowhere/docker.sock: is Docker installed and running? (`systemctl start docker`)"
      })
      const port = yield* Effect.promise(closedPort)
      const dead = yield* adaptor({ host: `tcp://127.0.0.1:${port}` })
      const error = yield* Effect.flip(dead.ping)
      expect(error._tag).toBe("DockerUnavailable")
      expect(error.message).toContain("not running")
    })
  )

  it("tells whoever may not use the socket to join the docker group", () => {
    const refused = Object.assign(new Error("connect EACCES"), { code: "EACCES" })
    const error = dockerError("ping", "unix:///var/run/docker.sock")(refused)
    expect(error._tag).toBe("DockerUnavailable")
    expect(error.message).toContain("docker group")
  })

  it.effect.each(["docker.sock", "unix://docker.sock", "ssh://machine", "tcp://"])(
    "says that it cannot use DOCKER_HOST=%s, and what it may be",
    (host) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip((yield* adaptor({ host })).ping)
        expect(error._tag).toBe("DockerUnavailable")
        expect(error.message).toContain("unix:///path/of/the/socket or tcp://host:port")
      })
  )

  it.effect("goes by its options, not by DOCKER_HOST in the environment", () =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => Object.assign(process.env, { DOCKER_HOST: "tcp://127.0.0.1:1", DOCKER_CLIENT_TIMEOUT: "1" })),
        () =>
          Effect.sync(() => {
            delete process.env.DOCKER_HOST
            delete process.env.DOCKER_CLIENT_TIMEOUT
          })
      )
      const { docker, proxy } = yield* setUp()
      yield* docker.ping
      expect(proxy.seen).toEqual(["GET /_ping"])
    })
  )

  it.effect("leaves no connection open when it is closed, whatever is under way", () =>
    Effect.gen(function* () {
      const proxy = yield* engineProxy("/nowhere")
      proxy.when(/./, { is: "hold" })
      proxy.when(/events/, { is: "answer", status: 200, body: "", keepOpen: true })
      const scope = yield* Scope.make()
      const docker = yield* Scope.provide(adaptor({ host: proxy.host }), scope)
      const events = yield* docker.events({ a: "b" }, ["die"]).pipe(Scope.provide(scope))
      yield* Effect.forkChild(Effect.exit(Stream.runDrain(events)))
      const list = yield* Effect.forkChild(docker.list({ a: "b" }))
      yield* proxy.until(/json/)
      expect(proxy.open()).toBe(2)
      yield* Scope.close(scope, Exit.void)
      yield* proxy.untilOpen(0)
      expect(Exit.isFailure(yield* Fiber.await(list))).toBe(true)
    })
  )
})

/** A port that nobody listens on, a moment ago. */
const closedPort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

describe("DockerAdaptor (with the engine of this machine)", () => {
  if (noDocker !== undefined) {
    it.skip(`is not tested here: ${noDocker}`)
    return
  }

  it.live("knows the engine, its networks' gateways and which images are not there", () =>
    Effect.gen(function* () {
      const docker = yield* adaptor({})
      yield* docker.ping
      expect(yield* docker.version).toMatch(/^\d+\./)
      expect(yield* docker.gateway("bridge")).toMatch(/^\d+\.\d+\.\d+\.\d+$/)
      expect(yield* Effect.flip(docker.gateway("no-such-network"))).toMatchObject({ _tag: "DockerNotFound" })
      expect(yield* docker.imageExists("irori-test/no-such-image:1")).toBe(false)
      expect(yield* Effect.flip(docker.inspect("no-such-container"))).toMatchObject({ _tag: "DockerNotFound" })
      expect(yield* Effect.flip(docker.remove("no-such-container"))).toMatchObject({ _tag: "DockerNotFound" })
    })
  )

  it.live("fails a pull from a registry that cannot be reached with what the engine says", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* adaptor({})).pull("127.0.0.1:1/nobody:1"))
      expect(error._tag).toBe("DockerFailed")
      expect(error.message).toContain("connection refused")
    })
  )
})
