/** Reads every file again that functions, routes and schedules come from, and says what that has changed. */
import { Context, Effect, Fiber, Layer, Option, Semaphore } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { Api } from "../domain/Route.ts"
import { type Schedule, scheduleKey } from "../domain/Schedule.ts"
import { FunctionRegistry, type RegistryProblem } from "../registry/FunctionRegistry.ts"
import { RouteTable } from "../routing/RouteTable.ts"
import { Scheduler } from "../schedules/Scheduler.ts"
import { FileSources } from "./FileSources.ts"

export interface ReloadedRoute {
  /** The API's id. */
  readonly api: string
  readonly method: string
  readonly path: string
}

/** Of what was added, is another one than before, or is gone. What was seen to change before that is not in it. */
export interface Changes {
  readonly functions: ReadonlyArray<string>
  readonly routes: ReadonlyArray<ReloadedRoute>
  readonly schedules: ReadonlyArray<{ readonly functionName: string; readonly name: string }>
}

export interface Reloaded {
  /** What was read. */
  readonly files: ReadonlyArray<string>
  readonly changed: Changes
  /** All there are, also those that were there before. */
  readonly problems: ReadonlyArray<RegistryProblem>
}

export class Reloader extends Context.Service<
  Reloader,
  {
    /**
     * Done when calls go by what the files say; a file that is broken is a problem, and what it said before goes on. Two
     * at once run one after the other. Goes on though nobody waits for it.
     */
    readonly reload: Effect.Effect<Reloaded>
    /** What is wrong with functions, routes, schedules and their files at the moment. */
    readonly problems: Effect.Effect<ReadonlyArray<RegistryProblem>>
  }
>()("irori/reload/Reloader") {
  static readonly layer = Layer.effect(
    Reloader,
    Effect.gen(function* () {
      const registry = yield* FunctionRegistry
      const routes = yield* RouteTable
      const scheduler = yield* Effect.serviceOption(Scheduler)
      const files = yield* FileSources
      const scope = yield* Effect.scope
      const oneAtATime = Semaphore.makeUnsafe(1)

      const problems = Effect.gen(function* () {
        return [
          ...(yield* registry.problems),
          ...(yield* routes.problems),
          ...(Option.isNone(scheduler) ? [] : yield* scheduler.value.problems),
          ...files.all().flatMap((source) => source.problems?.() ?? [])
        ]
      })

      const served = Effect.gen(function* () {
        return {
          functions: functionsOf(yield* registry.list),
          routes: routesOf(yield* routes.apis),
          schedules: schedulesOf(Option.isNone(scheduler) ? [] : yield* scheduler.value.declared)
        }
      })

      const reload = Effect.gen(function* () {
        const before = yield* served
        for (const source of files.all()) yield* source.reload
        const after = yield* served
        const changed = {
          functions: changedIn(before.functions, after.functions),
          routes: changedIn(before.routes, after.routes),
          schedules: changedIn(before.schedules, after.schedules)
        }
        return { files: [...new Set(files.all().map(({ path }) => path))], changed, problems: yield* problems }
      }).pipe(oneAtATime.withPermit)

      return Reloader.of({ reload: Effect.flatMap(Effect.forkIn(reload, scope), Fiber.join), problems })
    })
  )
}

/** What is served of one kind: by its name, what it is called in the answer and what tells it from another of that name. */
type Served<A> = ReadonlyMap<string, { readonly what: A; readonly state: unknown }>

/** A function that has not changed is the same object. */
const functionsOf = (configs: ReadonlyArray<FunctionConfig>): Served<string> =>
  new Map(configs.map((config) => [`${config.name}:${config.version}`, { what: config.name, state: config }]))

/** A route is another one where anything of its API is. */
const routesOf = (apis: ReadonlyArray<Api>): Served<ReloadedRoute> =>
  new Map(
    apis.flatMap((api) => {
      const manners = JSON.stringify({ ...api, routes: [] })
      return api.routes.map((route) => {
        const what = { api: api.id, method: route.method, path: route.path }
        return [JSON.stringify(what), { what, state: manners + JSON.stringify(route) }] as const
      })
    })
  )

const schedulesOf = (schedules: ReadonlyArray<Schedule>): Served<Changes["schedules"][number]> =>
  new Map(
    schedules.map((schedule) => {
      const { functionName, name } = schedule
      return [scheduleKey(schedule), { what: { functionName, name }, state: JSON.stringify(schedule) }]
    })
  )

const changedIn = <A>(before: Served<A>, after: Served<A>): ReadonlyArray<A> => {
  const changed = new Map<unknown, A>()
  for (const [key, { what }] of new Map([...before, ...after])) {
    if (before.get(key)?.state !== after.get(key)?.state) changed.set(typeof what === "string" ? what : key, what)
  }
  return [...changed.values()]
}
