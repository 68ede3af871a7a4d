import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Layer, Logger, Metric, Queue, Scope } from "effect"
import { TestClock } from "effect/testing"
import { afterEach, describe, expect } from "vitest"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import type { Schedule } from "../../src/domain/Schedule.ts"
import { AsyncInvoker, EventQueueFull } from "../../src/invoke/AsyncInvoker.ts"
import { FunctionRegistry, type RegistryProblem } from "../../src/registry/FunctionRegistry.ts"
import type { MissedPolicy } from "../../src/schedules/dueTimes.ts"
import { Scheduler } from "../../src/schedules/Scheduler.ts"
import type { ScheduleSource } from "../../src/schedules/ScheduleSource.ts"
import { asyncInvoking, owner, turns } from "../support/asyncInvoking.ts"
import { functionConfig, hello } from "../support/functions.ts"

const folders: Array<string> = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-schedules-"))
  folders.push(folder)
  return folder
}

const midnight = Date.parse("2030-01-01T00:00:00Z")

const schedule = (settings: Partial<Schedule> = {}): Schedule => ({
  name: "tick",
  kind: "rule",
  functionName: hello,
  expression: "rate(5 minutes)",
  isEnabled: true,
  ...settings
})

/** A place whose schedules a test may change. */
const place = (...schedules: ReadonlyArray<Schedule>) => {
  const listeners: Array<() => void> = []
  const state = { schedules, problems: [] as ReadonlyArray<RegistryProblem> }
  const source: ScheduleSource = {
    schedules: () => state.schedules,
    problems: () => state.problems,
    onChange: (changed) => void listeners.push(changed)
  }
  const say = (...schedules: ReadonlyArray<Schedule>) => {
    state.schedules = schedules
    for (const changed of listeners) changed()
  }
  return { source, state, say }
}

interface World {
  /** Of both databases. */
  readonly folder?: string
  readonly missed?: MissedPolicy
  readonly place: ReturnType<typeof place>
}

const timeOf = ({ payload }: Invocation): string => {
  const event: { readonly time: string } = JSON.parse(new TextDecoder().decode(payload))
  return event.time.slice(11, 16)
}

/** A life of the process: the scheduler over the real queue, both on the disk. `ran` answers with what has run since. */
const life = <A>(
  { folder, missed, place }: World,
  body: (ran: Effect.Effect<ReadonlyArray<string>>) => Effect.Effect<A, never, Scheduler>
) =>
  Effect.suspend(() => {
    const { attempts, layer } = asyncInvoking({ options: folder ? { path: join(folder, "events.db") } : {} })
    const whole = Scheduler.layer({ owner, missed: missed ?? "once", sources: [Effect.succeed(place.source)] }).pipe(
      Layer.provideMerge(
        Layer.merge(layer, folder ? ControlDatabase.layer(join(folder, "control.db")) : ControlDatabase.layerMemory)
      )
    )
    const ran = Effect.andThen(
      turns,
      Effect.map(Queue.clear(attempts), (all) => all.map(timeOf))
    )
    return Effect.provide(body(ran), whole)
  })

/** Lets time pass, minute by minute, as the real one does. */
const minutes = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.andThen(TestClock.adjust("1 minute"), turns), {
    discard: true
  })

describe("Scheduler", () => {
  it.effect("runs a function each time its schedule is due, and not before", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      yield* life({ place: place(schedule()) }, (ran) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("299 seconds")
          expect(yield* ran).toEqual([])
          yield* TestClock.adjust("1 second")
          expect(yield* ran).toEqual(["00:05"])
          yield* minutes(11)
          expect(yield* ran).toEqual(["00:10", "00:15"])
        })
      )
    })
  )

  it.effect("goes on where it was after a restart, in the same rhythm, and makes no due time twice", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight + 17_000)
      const world = { folder: newFolder(), place: place(schedule()) }
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          yield* minutes(5)
          expect(yield* ran).toEqual(["00:05"])
        })
      )
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          expect(yield* ran).toEqual([])
          yield* TestClock.adjust("299 seconds")
          expect(yield* ran).toEqual([])
          yield* TestClock.adjust("1 second")
          expect(yield* ran).toEqual(["00:10"])
        })
      )
    })
  )

  it.effect("makes no due time twice where the process was killed before it could write down that it is settled", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const world = { folder: newFolder(), place: place(schedule()) }
      const forget = ControlDatabase.use((database) =>
        Effect.sync(() => database.run("UPDATE schedules SET past = ?", midnight))
      ).pipe(Effect.provide(ControlDatabase.layer(join(world.folder, "control.db"))), Effect.orDie)
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          yield* minutes(5)
          expect(yield* ran).toEqual(["00:05"])
        })
      )
      yield* forget
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          expect(yield* ran).toEqual([])
          yield* minutes(5)
          expect(yield* ran).toEqual(["00:10"])
        })
      )
    })
  )

  it.effect.each([
    ["skip", []],
    ["once", ["00:20"]],
    ["all", ["00:10", "00:15", "00:20"]]
  ] as const)("makes up for what it missed while it was down as it is set: %s", ([missed, expected]) =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const world = { folder: newFolder(), place: place(schedule()), missed }
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          yield* minutes(7)
          expect(yield* ran).toEqual(["00:05"])
        })
      )
      yield* TestClock.setTime(midnight + 22 * 60_000)
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("1 millis")
          expect([...(yield* ran)].sort()).toEqual(expected)
          yield* minutes(3)
          expect(yield* ran).toEqual(["00:25"])
        })
      )
    })
  )

  it.effect("counts up to a minute's delay as on time, whatever is set", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const world = { folder: newFolder(), place: place(schedule()), missed: "skip" as const }
      yield* life(world, () => minutes(4))
      yield* TestClock.setTime(midnight + 6 * 60_000)
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("1 millis")
          expect(yield* ran).toEqual(["00:05"])
        })
      )
    })
  )

  it.effect("makes up for none of what a schedule would have been due while it was not enabled or not there", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const { say, ...rest } = place(schedule(), schedule({ name: "tock", expression: "cron(3/5 * * * ? *)" }))
      yield* life({ place: { say, ...rest }, missed: "all" }, (ran) =>
        Effect.gen(function* () {
          yield* minutes(1)
          say(schedule({ isEnabled: false }))
          yield* minutes(20)
          expect(yield* ran).toEqual([])
          say(schedule(), schedule({ name: "tock", expression: "cron(3/5 * * * ? *)" }))
          yield* minutes(5)
          expect(yield* ran).toEqual(["00:23", "00:25"])
        })
      )
    })
  )

  it.effect("keeps the rhythm of what did not change, and begins anew with what did", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const { say, ...rest } = place(schedule(), schedule({ name: "tock", expression: "rate(3 minutes)" }))
      yield* life({ place: { say, ...rest } }, (ran) =>
        Effect.gen(function* () {
          yield* minutes(2)
          say(
            schedule({ name: "new", expression: "rate(1 minute)" }),
            schedule(),
            schedule({ name: "tock", expression: "rate(4 minutes)" })
          )
          yield* minutes(4)
          expect([...(yield* ran)].sort()).toEqual(["00:03", "00:04", "00:05", "00:05", "00:06", "00:06"])
        })
      )
    })
  )

  it.effect("forgets nothing of a schedule while the place it comes from cannot be read", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const world = { folder: newFolder(), place: place(schedule()) }
      yield* life(world, () => minutes(3))
      world.place.state.schedules = []
      world.place.state.problems = [{ detail: "broken" }]
      yield* life(world, (ran) =>
        Effect.gen(function* () {
          yield* minutes(1)
          world.place.state.problems = []
          world.place.say(schedule())
          yield* minutes(1)
          expect(yield* ran).toEqual(["00:05"])
        })
      )
    })
  )

  it.effect("says what is wrong with a schedule, and runs the others", () => {
    const log: Array<unknown> = []
    return Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const wrong = schedule({ name: "wrong", expression: "cron(0 0 * * *)" })
      yield* life({ place: place(wrong, schedule(), schedule({ expression: "rate(1 minute)" })) }, (ran) =>
        Effect.gen(function* () {
          const { problems, upcoming } = yield* Scheduler
          const details = (yield* problems).map(({ detail }) => detail)
          expect(details).toEqual([
            expect.stringMatching(/^Schedule 'wrong' of function 'hello': cron expects six fields/),
            "Schedule 'tick' of function 'hello': there is another one of this name, which is used"
          ])
          expect(log).toEqual(details)
          expect((yield* upcoming).map(({ nextMillis }) => nextMillis)).toEqual([midnight + 300_000])
          yield* minutes(5)
          expect(yield* ran).toEqual(["00:05"])
        })
      )
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => log.push(String(message)))])))
  })

  it.effect("gives up a due time whose function is not there half a minute later, and says so", () => {
    const log: Array<string> = []
    return Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const stray = schedule({ functionName: FunctionName.make("gone") })
      yield* life({ place: place(stray) }, (ran) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("329 seconds")
          expect(log).toEqual([])
          yield* TestClock.adjust("2 seconds")
          yield* turns
          expect(log).toEqual(["Schedule 'tick' is due, and there is no such function"])
          expect(yield* ran).toEqual([])
        })
      )
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])))
  })

  it.effect("tries again what the queue does not take, and counts what became of it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(midnight)
      const taken: Array<string> = []
      let isFull = true
      const queue = Layer.mock(AsyncInvoker, {
        enqueueOnce: (_, invocation) => {
          if (isFull) return Effect.fail(new EventQueueFull({ maxEvents: 1 }))
          taken.push(timeOf(invocation))
          return Effect.succeed(true)
        }
      })
      const whole = Scheduler.layer({
        owner,
        missed: "once",
        sources: [Effect.succeed(place(schedule()).source)]
      }).pipe(Layer.provide([queue, ControlDatabase.layerMemory, FunctionRegistry.layerMemory([functionConfig()])]))
      const scope = yield* Scope.make()
      yield* Effect.gen(function* () {
        yield* Layer.build(whole)
        yield* TestClock.adjust("310 seconds")
        expect(taken).toEqual([])
        isFull = false
        yield* TestClock.adjust("5 seconds")
        expect(taken).toEqual(["00:05"])
        const counted = (yield* Metric.snapshot).filter(({ id }) => id.startsWith("irori_schedule"))
        expect(counted.map(({ attributes, id, state }) => [id, attributes?.outcome, state])).toEqual(
          expect.arrayContaining([
            ["irori_schedule_firings_total", "refused", { count: 3, incremental: true }],
            ["irori_schedule_firings_total", "fired", { count: 1, incremental: true }],
            ["irori_schedule_next_firing_timestamp_seconds", undefined, { value: midnight / 1000 + 600 }]
          ])
        )
      }).pipe(Scope.provide(scope))
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()), Effect.provide(Logger.layer([])))
  )
})
