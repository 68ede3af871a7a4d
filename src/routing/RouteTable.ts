/**
 * The HTTP APIs there are at the moment, out of all the places they come from. Each place keeps up its own APIs and says
 * what is wrong with it; what of them a request is for is `ApiIndex`'s to find.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import type { Api } from "../domain/Route.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"
import { ApiIndex, type Routed, type Unrouted } from "./ApiIndex.ts"

/** A place that APIs come from, such as a file. */
export interface RouteSource {
  /** The same array for as long as nothing changes. */
  readonly apis: () => ReadonlyArray<Api>
  /** What keeps routes from being served, at the moment. */
  readonly problems: () => ReadonlyArray<RegistryProblem>
}

export class RouteTable extends Context.Service<
  RouteTable,
  {
    readonly apis: Effect.Effect<ReadonlyArray<Api>>
    /**
     * What a request is for: `host` as in its header, `path` percent-encoded, without the query. Undefined where no API
     * is there. Plain, and quick: every request of a routed path goes through it.
     */
    readonly match: (host: string | undefined, method: string, path: string) => Routed | Unrouted | undefined
    readonly problems: Effect.Effect<ReadonlyArray<RegistryProblem>>
  }
>()("irori/routing/RouteTable") {
  static readonly layerMemory = (apis: ReadonlyArray<Api>) =>
    RouteTable.layer([Effect.succeed({ apis: () => apis, problems: () => [] })])

  /** Of APIs with one id the first counts; at one path, that of the first source. */
  static readonly layer = <E, R>(sources: ReadonlyArray<Effect.Effect<RouteSource, E, R>>) =>
    Layer.effect(
      RouteTable,
      Effect.map(Effect.all(sources), (opened): RouteTable["Service"] => {
        let current = merge(opened)
        /** A source that changed has another array: that is all there is to be noticed. */
        const read = () => {
          if (opened.some((source, index) => source.apis() !== current.parts[index])) current = merge(opened)
          return current
        }
        return RouteTable.of({
          apis: Effect.sync(() => read().apis),
          match: (host, method, path) => read().index.match(host, method, path),
          problems: Effect.sync(() => [...opened.flatMap((source) => source.problems()), ...read().problems])
        })
      })
    ) as Layer.Layer<RouteTable, E, Exclude<R, Scope.Scope>>
}

const merge = (sources: ReadonlyArray<RouteSource>) => {
  const parts = sources.map((source) => source.apis())
  const byId = Map.groupBy(parts.flat(), (api) => api.id)
  const apis = [...byId.values()].map(([first]) => first!)
  const problems = [...byId]
    .filter(([, same]) => same.length > 1)
    .map(
      ([id, same]): RegistryProblem => ({ detail: `${same.length} APIs have the id ${id}: the first one is served` })
    )
  return { parts, apis, problems, index: new ApiIndex(apis) }
}
