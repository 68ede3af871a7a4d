/**
 * Runs functions by the clock: keeps up with the schedules there are, and hands an event over to the durable queue at
 * each due time. That a due time is never made twice, also by a process that is killed and comes back, is kept by the
 * queue, which notes it together with the event; what was missed meanwhile is known from the ledger.
 */
import { Clock, Context, Effect, Layer, Metric, Result, type Scope } from "effect"
import { ControlDatabase } from "../control/Database.ts"
import type { Owner } from "../domain/FunctionName.ts"
import { type Schedule, scheduleKey } from "../domain/Schedule.ts"
import { AsyncInvoker } from "../invoke/AsyncInvoker.ts"
import * as Alarm from "../invoke/async/Alarm.ts"
import { type ScheduleStep, scheduleFirings, scheduleNext } from "../metrics/metrics.ts"
import { FunctionRegistry, type RegistryProblem } from "../registry/FunctionRegistry.ts"
import { type MissedPolicy, passed } from "./dueTimes.ts"
import { firing } from "./firing.ts"
import { type LedgerEntry, makeLedger } from "./ScheduleLedger.ts"
import type { ScheduleSource } from "./ScheduleSource.ts"
import { parseTiming, type Timing } from "./Timing.ts"

export interface SchedulerOptions<E, R> {
  readonly owner: Owner
  /** Of due times at which no process was there. */
  readonly missed: MissedPolicy
  readonly sources: ReadonlyArray<Effect.Effect<ScheduleSource, E, R>>
}

export interface Upcoming {
  readonly schedule: Schedule
  /** Absent for one that is not enabled, or will not be due again. */
  readonly nextMillis?: number
}

export class Scheduler extends Context.Service<
  Scheduler,
  {
    /** Every schedule whose expression can be read. */
    readonly upcoming: Effect.Effect<ReadonlyArray<Upcoming>>
    /** Every schedule as its source says it at the moment, whether it can be read or not. */
    readonly declared: Effect.Effect<ReadonlyArray<Schedule>>
    /** Schedules that cannot be read, and are not run. What is wrong with where they come from is not among them. */
    readonly problems: Effect.Effect<ReadonlyArray<RegistryProblem>>
  }
>()("irori/schedules/Scheduler") {
  /** Of schedules with one key the first counts, in the order of the sources. */
  static readonly layer = <E, R>(options: SchedulerOptions<E, R>) =>
    Layer.effect(Scheduler, make(options)) as Layer.Layer<
      Scheduler,
      E | Effect.Error<ReturnType<typeof makeLedger>>,
      Exclude<R, Scope.Scope> | ControlDatabase | AsyncInvoker | FunctionRegistry
    >
}

/** One that can be read. Replaced by another as soon as anything about it changes. */
interface Active {
  readonly schedule: Schedule
  readonly timing: Timing
  entry: LedgerEntry
  /** When there is something to do for it; infinity where there is not. */
  nextMillis: number
}

/** How soon what could not be handed over is tried again. */
const retryMillis = 5000
/** A function may become known a little later than its schedule. */
const absenceMillis = 30_000

const make = <E, R>(options: SchedulerOptions<E, R>) =>
  Effect.gen(function* () {
    const database = yield* ControlDatabase
    const events = yield* AsyncInvoker
    const registry = yield* FunctionRegistry
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    const ledger = yield* makeLedger(database)
    const alarm = yield* Alarm.make
    const measure = yield* measuring
    const sources = yield* Effect.all(options.sources)
    const declared = () => sources.flatMap((source) => source.schedules())

    let active: ReadonlyMap<string, Active> = new Map()
    let problems: ReadonlyArray<RegistryProblem> = []
    let isStale = false
    /** When the schedules are to be read again though nothing has changed. */
    let rereadMillis = Number.POSITIVE_INFINITY

    /** What the ledger says of a schedule after it was read: undefined where it says the same as before. */
    const entryOf = (schedule: Schedule, before: LedgerEntry | undefined, nowMillis: number): LedgerEntry => {
      const { end, expression, isEnabled, kind, start, timezone } = schedule
      const key = scheduleKey(schedule)
      const timing = JSON.stringify([kind, expression, timezone ?? null, start ?? null, end ?? null])
      if (before?.timing !== timing)
        return { key, timing, anchorMillis: nowMillis, pastMillis: nowMillis - 1, isEnabled }
      if (before.isEnabled === isEnabled) return before
      // Nothing is missed by one that is not enabled.
      return { ...before, isEnabled, pastMillis: isEnabled ? nowMillis : before.pastMillis }
    }

    /** Takes over what the sources say. */
    const reread = Effect.gen(function* () {
      const nowMillis = now()
      const known = ledger.entries()
      const found = new Map<string, Active>()
      const changed: Array<LedgerEntry> = []
      const { named, readable, wrong } = readAll(declared())
      for (const { key, schedule, timing } of readable) {
        const entry = entryOf(schedule, known.get(key), nowMillis)
        if (entry !== known.get(key)) changed.push(entry)
        found.set(key, { schedule, timing, entry, nextMillis: nextOf(schedule, timing, entry) })
      }
      const isSure = sources.every((source) => source.problems().length === 0)
      database.transaction(() => {
        for (const entry of changed) ledger.put(entry)
        for (const [key, entry] of known) {
          if (named.has(key)) continue
          if (isSure) ledger.remove(key)
          // It may come back. What was due until then was not missed.
          else if (active.has(key)) ledger.put({ ...entry, isEnabled: false })
        }
      })
      const told = new Set(problems.map(({ detail }) => detail))
      for (const { detail, functionName = "" } of wrong) {
        if (told.has(detail)) continue
        yield* Effect.logWarning(detail).pipe(Effect.annotateLogs({ function_name: functionName }))
      }
      problems = wrong
      active = found
      measure.next([...found.values()])
    })

    /** Hands over what is due of one schedule, and settles it. */
    const fire = Effect.fnUntraced(function* (due: Active) {
      const { entry, schedule, timing } = due
      const { functionName, name, qualifier } = schedule
      const nowMillis = now()
      const { fired, isSome } = passed(
        (after) => timing.next(after, entry.anchorMillis),
        entry.pastMillis,
        nowMillis,
        options.missed
      )
      const about = { function_name: functionName, schedule: name }
      if (isSome) {
        yield* Effect.logWarning(`Schedule '${name}' missed due times that are not made up for`).pipe(
          Effect.annotateLogs({ ...about, missed_since: new Date(entry.pastMillis).toISOString() })
        )
      }
      const isThere = yield* registry.get(functionName, qualifier).pipe(
        Effect.as(true),
        // One that cannot run at the moment is tried again, by the queue.
        Effect.catchTag("FunctionUnusable", () => Effect.succeed(true)),
        Effect.catchTag("FunctionNotFound", () => Effect.succeed(false))
      )
      if (!isThere && fired[0] !== undefined && fired[0] > nowMillis - absenceMillis) {
        due.nextMillis = nowMillis + retryMillis
        return
      }
      for (const dueMillis of fired) {
        if (!isThere) {
          yield* Effect.logWarning(`Schedule '${name}' is due, and there is no such function`).pipe(
            Effect.annotateLogs(about)
          )
          measure.count(schedule, "no_function")
          continue
        }
        const isTaken = yield* events.enqueueOnce(
          { key: `schedule ${entry.key}`, dueMillis },
          firing(schedule, dueMillis, options.owner)
        )
        measure.count(schedule, isTaken ? "fired" : "known")
      }
      const settled = { ...entry, pastMillis: nowMillis }
      ledger.put(settled)
      due.entry = settled
      due.nextMillis = nextOf(schedule, timing, settled)
    })

    const fireSafely = (due: Active) =>
      fire(due).pipe(
        Effect.catchCause((cause) =>
          Effect.suspend(() => {
            due.nextMillis = now() + retryMillis
            measure.count(due.schedule, "refused")
            return Effect.logError(`Schedule '${due.schedule.name}' is due and cannot be run; it is tried again`, cause)
          })
        )
      )

    const ring = Effect.gen(function* () {
      if (isStale || now() >= rereadMillis) {
        isStale = false
        rereadMillis = Number.POSITIVE_INFINITY
        yield* reread.pipe(
          Effect.catchCause((cause) => {
            rereadMillis = now() + retryMillis
            return Effect.logError("Changes of schedules cannot be taken over; it is tried again", cause)
          })
        )
      }
      const nowMillis = now()
      const due = [...active.values()].filter(({ nextMillis }) => nextMillis <= nowMillis)
      yield* Effect.forEach(due, fireSafely, { concurrency: "unbounded", discard: true })
      if (due.length > 0) measure.next([...active.values()])
    })

    yield* reread
    for (const source of sources) {
      source.onChange(() => {
        isStale = true
        alarm.set(now())
      })
    }
    const nextMillis = () => {
      if (isStale) return now()
      let next = rereadMillis
      for (const { nextMillis } of active.values()) next = Math.min(next, nextMillis)
      return next
    }
    yield* Effect.forkScoped(alarm.run(nextMillis, ring))

    return Scheduler.of({
      upcoming: Effect.sync(() =>
        [...active.values()].map(({ nextMillis, schedule }) => ({
          schedule,
          ...(nextMillis === Number.POSITIVE_INFINITY ? {} : { nextMillis })
        }))
      ),
      declared: Effect.sync(declared),
      // A change of a moment ago has not been taken over, and what is wrong with it is known.
      problems: Effect.sync(() => (isStale ? readAll(declared()).wrong : problems))
    })
  })

interface Readable {
  readonly key: string
  readonly schedule: Schedule
  readonly timing: Timing
}

/** Those that can be run, and why others cannot; `named` are the keys of all. */
const readAll = (schedules: ReadonlyArray<Schedule>) => {
  const readable: Array<Readable> = []
  const wrong: Array<RegistryProblem> = []
  const named = new Set<string>()
  for (const schedule of schedules) {
    const { functionName, name } = schedule
    const key = scheduleKey(schedule)
    const timing = parseTiming(schedule)
    const what = named.has(key)
      ? "there is another one of this name, which is used"
      : Result.isFailure(timing)
        ? timing.failure
        : undefined
    if (what !== undefined) {
      wrong.push({ functionName, detail: `Schedule '${name}' of function '${functionName}': ${what}` })
    } else if (Result.isSuccess(timing)) readable.push({ key, schedule, timing: timing.success })
    named.add(key)
  }
  return { named, readable, wrong }
}

const nextOf = ({ isEnabled }: Schedule, timing: Timing, { anchorMillis, pastMillis }: LedgerEntry): number =>
  (isEnabled ? timing.next(pastMillis, anchorMillis) : undefined) ?? Number.POSITIVE_INFINITY

/** Counts what became of due times, and shows the next one of each schedule. */
const measuring = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  let shown: ReadonlyArray<{ readonly remove: () => void }> = []
  const hide = () => {
    for (const series of shown) series.remove()
    shown = []
  }
  yield* Effect.addFinalizer(() => Effect.sync(hide))
  return {
    count: ({ functionName, name }: Schedule, step: ScheduleStep) =>
      scheduleFirings(functionName, name, step).updateUnsafe(1, context),
    next: (active: ReadonlyArray<Active>) => {
      hide()
      shown = active
        .filter(({ nextMillis }) => nextMillis < Number.POSITIVE_INFINITY)
        .map((one) => {
          const { functionName, name } = one.schedule
          return Metric.registerUnsafe(scheduleNext(functionName, name), context, {
            get: () => ({ value: one.nextMillis / 1000 }),
            update() {},
            modify() {}
          })
        })
    }
  }
})
