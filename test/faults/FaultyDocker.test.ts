/**
 * Every endpoint of the Docker API that Irori uses, put through every fault, in each state of a worker in which it is
 * used. While the fault lasts no invocation hangs or gets another's answer; once it is over the containers on the
 * machine are those in the pools, and the next invocation succeeds.
 *
 * The normal run takes a covering part of the matrix: every endpoint in every state, every fault on every endpoint.
 * `IRORI_TEST_FAULTS=all` takes all of it.
 */
import { Cause, Effect, Exit, Fiber, Logger, Scope, Semaphore } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeContainer } from "../support/docker.ts"
import type { Misbehaviour } from "../support/engineProxy.ts"
import { workerImage } from "../support/images.ts"
import { clientTimeoutMillis, eventually, inTime, isWell, makePlace, type Outcome, type Place } from "./faultyPlace.ts"

const image = await workerImage()

interface Fault {
  readonly misbehaviour: Misbehaviour
  /** How long the engine is so. One that hangs does so until its client has given up. */
  readonly millis: number
}

const faults: Readonly<Record<string, Fault>> = {
  "is late": { misbehaviour: { is: "delay", millis: 300 }, millis: 600 },
  "drops the connection": { misbehaviour: { is: "drop" }, millis: 300 },
  "does it and drops the connection": { misbehaviour: { is: "lose" }, millis: 600 },
  "answers 500": { misbehaviour: { is: "answer", status: 500, body: '{"message":"no luck"}' }, millis: 300 },
  "ends its half of the connection": { misbehaviour: { is: "halfClose" }, millis: 300 },
  "breaks off its answer": { misbehaviour: { is: "break" }, millis: 300 },
  hangs: { misbehaviour: { is: "hold" }, millis: clientTimeoutMillis + 200 },
  "does it and says nothing": { misbehaviour: { is: "mute" }, millis: clientTimeoutMillis + 200 }
}

const endpoints = {
  image: /^GET \/images\/.*\/json/,
  network: /^GET \/networks\//,
  create: /^POST \/containers\/create/,
  start: /^POST \/containers\/[^/]+\/start/,
  inspect: /^GET \/containers\/[^/]+\/json/,
  logs: /^GET \/containers\/[^/]+\/logs/,
  remove: /^DELETE \/containers\//,
  pause: /^POST \/containers\/[^/]+\/pause/,
  unpause: /^POST \/containers\/[^/]+\/unpause/,
  list: /^GET \/containers\/json/,
  events: /^GET \/events/,
  stats: /^GET \/containers\/[^/]+\/stats/
} as const

interface Situation {
  readonly endpoint: keyof typeof endpoints
  readonly state: string
  readonly settings?: Readonly<Record<string, string>>
  /** How it comes to be, with an engine that is well. What it gives is the invocation under way. */
  readonly before?: (place: Place) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** What has Irori ask, with an engine that is not. Its invocation may fail; a wrong answer it may not have. */
  readonly provoke: (place: Place) => Effect.Effect<unknown>
  /** The invocation under way when the engine fails goes on all the same. */
  readonly carriesOn?: boolean
}

const warm = (place: Place) => place.invoke("steady", "before")
const call = (place: Place) => place.invoke("steady", "meanwhile")
/** An invocation that is at work when this is done. */
const working =
  (name: "steady" | "short", millis: number) =>
  (place: Place): Effect.Effect<Fiber.Fiber<Outcome>, never, Scope.Scope> =>
    Effect.gen(function* () {
      yield* place.invoke(name, "before")
      const fiber = yield* Effect.forkScoped(place.invoke(name, "at work", millis))
      yield* place.lent
      return fiber
    })

const hasToken = (outcome: unknown): outcome is { readonly token: string } =>
  typeof outcome === "object" && outcome !== null && "token" in outcome

/** Whoever follows the engine's events has to begin again. */
const cutEvents = ({ proxy }: Place) => Effect.sync(() => proxy.cut(endpoints.events))
const cutAnd = (then: (place: Place) => Effect.Effect<unknown>) => (place: Place) =>
  Effect.andThen(cutEvents(place), then(place))

const pausing = { ENABLE_CONTAINER_PAUSE: "true", PAUSE_IDLE_SECONDS: "0", IRORI_PAUSE_BY: "engine" }
const paused = (place: Place) => Effect.andThen(warm(place), place.proxy.until(endpoints.pause))
/** The removal is under way for as long as the engine fails. */
const removing = (place: Place) =>
  Effect.gen(function* () {
    yield* warm(place)
    place.proxy.when(endpoints.remove, { is: "hold" })
    yield* place.removeAll
    yield* place.proxy.until(endpoints.remove)
  })

const starting = (endpoint: Situation["endpoint"]): Situation => ({ endpoint, state: "starting", provoke: call })

const situations: ReadonlyArray<Situation> = [
  starting("image"),
  starting("network"),
  starting("create"),
  starting("start"),
  starting("inspect"),
  starting("logs"),
  { endpoint: "list", state: "starting", provoke: cutAnd(call) },
  { endpoint: "events", state: "starting", provoke: cutAnd(call) },
  { endpoint: "remove", state: "starting in vain", provoke: (place) => place.invoke("broken", "meanwhile") },

  { endpoint: "pause", state: "idle", settings: pausing, provoke: call },
  { endpoint: "list", state: "idle", before: warm, provoke: cutEvents },
  { endpoint: "list", state: "idle and killed meanwhile", before: warm, provoke: cutAnd(({ kill }) => kill) },
  { endpoint: "events", state: "idle", before: warm, provoke: cutEvents },
  { endpoint: "events", state: "idle and killed meanwhile", before: warm, provoke: cutAnd(({ kill }) => kill) },
  { endpoint: "inspect", state: "idle and killed", before: warm, provoke: ({ kill }) => kill },
  { endpoint: "remove", state: "idle and killed", before: warm, provoke: ({ kill }) => kill },
  { endpoint: "remove", state: "idle and not wanted", before: warm, provoke: ({ removeAll }) => removeAll },
  { endpoint: "stats", state: "idle", before: warm, provoke: ({ collectMetrics }) => collectMetrics },
  { endpoint: "inspect", state: "idle and measured", before: warm, provoke: ({ collectMetrics }) => collectMetrics },

  { endpoint: "unpause", state: "lent after a pause", settings: pausing, before: paused, provoke: call },
  { endpoint: "list", state: "lent", before: working("steady", 1000), provoke: cutEvents, carriesOn: true },
  { endpoint: "events", state: "lent", before: working("steady", 1000), provoke: cutEvents, carriesOn: true },
  { endpoint: "inspect", state: "lent and killed", before: working("steady", 1000), provoke: ({ kill }) => kill },
  { endpoint: "remove", state: "lent and killed", before: working("steady", 1000), provoke: ({ kill }) => kill },
  { endpoint: "remove", state: "lent for too long", before: working("short", 5000), provoke: () => Effect.void },
  {
    endpoint: "stats",
    state: "lent",
    before: working("steady", 1000),
    provoke: ({ collectMetrics }) => collectMetrics,
    carriesOn: true
  },

  { endpoint: "list", state: "being removed", before: removing, provoke: cutEvents },
  { endpoint: "events", state: "being removed", before: removing, provoke: cutEvents }
]

const faultNames = Object.keys(faults)

/** What is asked for before there are workers: an Irori that cannot do without it does not start, and says so. */
const startEndpoints = {
  ping: /^GET \/_ping/,
  list: endpoints.list,
  events: endpoints.events,
  remove: endpoints.remove
}

/** Of each situation two faults, in turn, so that every endpoint meets all of them over its situations or nearly so. */
const covering = (endpoint: string, before: number): ReadonlyArray<string> => {
  if (process.env.IRORI_TEST_FAULTS === "all") return faultNames
  const turn = [...Object.keys(endpoints), "ping"].indexOf(endpoint) + 2 * before
  return faultNames.filter((_, at) => (at - turn + 80) % faultNames.length < 2)
}

const cases = situations.flatMap((situation, index) => {
  const before = situations.slice(0, index).filter(({ endpoint }) => endpoint === situation.endpoint).length
  return covering(situation.endpoint, before).map((fault) => ({ situation, fault }))
})

const startCases = Object.entries(startEndpoints).flatMap(([endpoint, pattern]) =>
  covering(endpoint, 3).map((fault) => ({ endpoint, pattern, fault }))
)

/** The engine has so long only where it is to hang: elsewhere one that is merely busy is not to fail the test. */
const patience = ({ misbehaviour }: Fault): Readonly<Record<string, string>> =>
  misbehaviour.is === "hold" || misbehaviour.is === "mute"
    ? { DOCKER_CLIENT_TIMEOUT: String(clientTimeoutMillis / 1000) }
    : {}

describe("a faulty Docker", () => {
  if ("missing" in image) {
    it.skip(`is not tested here: ${image.missing}`)
    return
  }

  /** More at work at once would only make each other's containers slower; who waits for a time limit is not. */
  const busy = Semaphore.makeUnsafe(5)

  const run = ({ situation, fault }: (typeof cases)[number]) =>
    Effect.gen(function* () {
      const { endpoint, settings = {} } = situation
      const { misbehaviour, millis } = faults[fault]!
      const { onMachine, open, proxy } = yield* makePlace({
        image: image.name,
        settings: { ...patience(faults[fault]!), ...settings }
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pattern = endpoints[endpoint]
          const asked = () => proxy.seen.filter((request) => pattern.test(request)).length
          const { place, provoked, underWay } = yield* busy.withPermit(
            Effect.gen(function* () {
              const place = yield* open
              const underWay = yield* situation.before?.(place) ?? Effect.void
              const before = asked()
              proxy.when(pattern, misbehaviour)
              const provoked = yield* Effect.forkScoped(situation.provoke(place))
              yield* eventually(
                "the engine is asked",
                Effect.sync(() => asked() > before)
              )
              return { place, provoked, underWay }
            })
          )
          yield* Effect.sleep(millis)
          proxy.release()
          const outcome = yield* Fiber.join(provoked)
          if (hasToken(outcome)) expect(outcome.token).toBe("meanwhile")
          if (Fiber.isFiber(underWay)) {
            const ended = yield* Fiber.join(underWay as Fiber.Fiber<Outcome>)
            if (ended.token !== undefined || situation.carriesOn === true) expect(ended).toEqual({ token: "at work" })
          }
          yield* busy.withPermit(isWell(place))
        })
      ).pipe(Effect.ensuring(Effect.sync(() => proxy.release())))
      expect(yield* onMachine).toEqual([])
    }).pipe(Effect.scoped)

  const runStart = ({ endpoint, fault, pattern }: (typeof startCases)[number]) =>
    Effect.gen(function* () {
      const { misbehaviour, millis } = faults[fault]!
      const { instance, onMachine, open, proxy } = yield* makePlace({
        image: image.name,
        settings: patience(faults[fault]!)
      })
      yield* makeContainer(`lambda-steady-${crypto.randomUUID().slice(0, 8)}`, image.name, {
        created_by: "irori",
        "irori.instance": instance,
        "irori.boot": "an earlier one"
      })
      proxy.when(pattern, misbehaviour)
      const first = yield* Scope.make()
      const starting = yield* Effect.forkChild(Effect.exit(Scope.provide(open, first)))
      yield* proxy.until(pattern).pipe(inTime("asking"))
      yield* Effect.sleep(millis)
      proxy.release()
      const started = yield* Fiber.join(starting)
      if (Exit.isSuccess(started)) yield* isWell(started.value)
      yield* Scope.close(first, Exit.void)
      if (Exit.isFailure(started)) {
        expect([endpoint, Cause.squash(started.cause)]).toMatchObject(["ping", { _tag: "EngineNeeded" }])
        yield* Effect.scoped(Effect.flatMap(open, isWell))
      }
      expect(yield* onMachine).toEqual([])
    }).pipe(Effect.scoped)

  const runCut = (situation: "idle" | "lent") =>
    Effect.gen(function* () {
      const { onMachine, open, proxy } = yield* makePlace({ image: image.name })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const place = yield* open
          const atWork = situation === "lent" ? yield* working("steady", 500)(place) : undefined
          if (atWork === undefined) yield* warm(place)
          proxy.cut(/^GET \/(events|containers\/[^/]+\/logs)/)
          if (atWork !== undefined) expect(yield* Fiber.join(atWork)).toEqual({ token: "at work" })
          yield* isWell(place)
        })
      )
      expect(yield* onMachine).toEqual([])
    }).pipe(Effect.scoped)

  const all: ReadonlyArray<readonly [string, Effect.Effect<void, unknown>]> = [
    ...cases.map(
      (one) =>
        [
          `that ${one.fault} at '${one.situation.endpoint}' while a worker is ${one.situation.state} is got over`,
          run(one)
        ] as const
    ),
    ...startCases.map(
      (one) =>
        [
          `that ${one.fault} at '${one.endpoint}' while Irori starts, with a worker left by an earlier run, is got over`,
          runStart(one)
        ] as const
    ),
    ...(["idle", "lent"] as const).map(
      (state) =>
        [`that breaks off its events and the log of a worker that is ${state} is got over`, runCut(state)] as const
    )
  ]

  const permits = Semaphore.makeUnsafe(14)
  const leaving = new AbortController()
  const outcomes = new Map<string, Promise<Exit.Exit<void, unknown>>>()
  beforeAll(() => {
    for (const [sentence, body] of all) {
      const quiet = Effect.provide(permits.withPermit(body), Logger.layer([]))
      outcomes.set(sentence, Effect.runPromiseExit(quiet, { signal: leaving.signal }))
    }
  })
  // Those that nobody waited for, since only some tests were to run, clear away after themselves.
  afterAll(async () => {
    leaving.abort()
    await Promise.all(outcomes.values())
  })

  for (const [sentence] of all) {
    it(sentence, async () => {
      const exit = await outcomes.get(sentence)!
      if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    }, 600_000)
  }
})
