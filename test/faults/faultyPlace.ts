/** The whole of Irori but its HTTP servers, on the engine of this machine behind a proxy that can be told to fail. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer, Logger, type Scope } from "effect"
import { expect } from "vitest"
import { loadSettings } from "../../src/Config.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { layerAll } from "../../src/layers.ts"
import { PoolManager } from "../../src/pool/PoolManager.ts"
import { ContainerMetrics } from "../../src/provision/ContainerMetrics.ts"
import { containersWith, engine, removeContainer } from "../support/docker.ts"
import { labelOf, newInstance } from "../support/dockerSubjects.ts"
import { type EngineProxy, engineProxy } from "../support/engineProxy.ts"
import { invocation } from "../support/functions.ts"

/** Milliseconds that Irori waits for an engine that is to hang. One that starts a dozen containers takes long, too. */
export const clientTimeoutMillis = 4000

/** Nothing in a case takes longer, however the engine misbehaves. */
const deadline = "30 seconds"

export interface Outcome {
  /** The token that came back, where one did. */
  readonly token?: string
  /** What failed. */
  readonly failure?: string
}

export interface Place {
  readonly instance: string
  readonly proxy: EngineProxy
  /** Never fails, and never hangs: what came of it is the value. */
  readonly invoke: (
    functionName: "steady" | "short" | "broken",
    token: string,
    sleepMillis?: number
  ) => Effect.Effect<Outcome>
  /** What the engine has of this installation, whatever its state. */
  readonly onMachine: Effect.Effect<ReadonlyArray<string>>
  /** Ends a container as somebody else would. */
  readonly kill: Effect.Effect<void>
  /** All functions are taken away; the janitor's next sweep brings them back. */
  readonly removeAll: Effect.Effect<void>
  readonly collectMetrics: Effect.Effect<void>
  /** Waits until a worker is lent. */
  readonly lent: Effect.Effect<void>
  /** Waits until machine and pools are of one mind. */
  readonly agree: Effect.Effect<void>
}

const functionsYml = (image: string) => `
functions:
  steady: { image: "${image}", timeout: 20, scaling: { max_capacity: 2 } }
  short: { image: "${image}", timeout: 1, scaling: { max_capacity: 2 } }
  broken: { image: "${image}", timeout: 20, environment: { BEHAVIOUR: "exit:3" } }
`

export interface PlaceOptions {
  readonly image: string
  readonly settings?: Readonly<Record<string, string>>
}

/** Who it is, the proxy, and how to start it: once or several times, one after the other. */
export const makePlace = ({ image, settings = {} }: PlaceOptions) =>
  Effect.gen(function* () {
    const instance = newInstance()
    const proxy = yield* engineProxy()
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "irori-faults-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    writeFileSync(join(folder, "functions.yml"), functionsYml(image))
    const onMachine = Effect.map(containersWith(labelOf(instance)), (found) =>
      found.map(({ Names }) => Names[0]!.slice(1)).toSorted()
    )
    yield* Effect.addFinalizer(() =>
      Effect.flatMap(onMachine, (names) => Effect.forEach(names, removeContainer, { concurrency: 4 }))
    )
    const environment = {
      PATH: process.env.PATH,
      IRORI_PROVISIONER: "docker",
      IRORI_FUNCTIONS_DIR: folder,
      DOCKER_HOST: proxy.host,
      HEARTBEAT_INTERVAL: "0.2",
      POOL_ACQUIRE_TIMEOUT: "10",
      ...settings
    }
    const open: Effect.Effect<Place, { readonly _tag: string }, Scope.Scope> = Effect.gen(function* () {
      const read = yield* Effect.orDie(loadSettings(environment))
      const state = { path: folder, instanceId: instance, managerToken: "of no use here" }
      const layer = Layer.provideMerge(layerAll(read, state), Logger.layer([]))
      const context = yield* Layer.build(layer)
      const pools = Context.get(context, PoolManager)
      const invoker = Context.get(context, LambdaInvoker)
      const metrics = Context.get(context, ContainerMetrics)

      const pooled = Effect.map(pools.workerIds, (ids) => [...ids.values()].flat().map(String).toSorted())
      const invoke = (functionName: string, token: string, sleepMillis = 0): Effect.Effect<Outcome> =>
        invoker
          .invoke(
            invocation({
              requestId: crypto.randomUUID(),
              functionName: FunctionName.make(functionName),
              payload: new TextEncoder().encode(JSON.stringify({ token, sleep: sleepMillis }))
            })
          )
          .pipe(
            Effect.map(({ payload }): Outcome => {
              const said: { readonly token?: string; readonly errorType?: string } = JSON.parse(
                new TextDecoder().decode(payload)
              )
              return said.token === undefined ? { failure: said.errorType ?? "?" } : { token: said.token }
            }),
            Effect.catch((error) => Effect.succeed<Outcome>({ failure: `${error._tag}: ${error.message}` })),
            inTime(`the invocation ${token}`)
          )
      return {
        instance,
        proxy,
        invoke,
        onMachine,
        kill: Effect.flatMap(onMachine, (names) =>
          Effect.forEach(names, (name) => Effect.promise(() => engine("POST", `/containers/${name}/kill`)))
        ),
        removeAll: pools.reconcile([]),
        collectMetrics: Effect.ignore(metrics.collect).pipe(inTime("measuring")),
        lent: eventually(
          "a worker is lent",
          Effect.map(pools.stats, (stats) => stats.some(({ lent }) => lent > 0))
        ),
        agree: Effect.gen(function* () {
          let seen = ""
          const look = Effect.all([onMachine, pooled, pools.stats]).pipe(
            Effect.map(([machine, pool, stats]) => {
              seen = `on the machine ${machine}, in the pools ${pool}`
              const busy = stats.some(({ starting, lent }) => starting + lent > 0)
              return !busy && machine.join() === pool.join()
            })
          )
          yield* eventually("machine and pools agree", look, () => seen)
        })
      } satisfies Place
    })
    return { instance, proxy, onMachine, open: inTime("the start")(open) }
  })

export const inTime =
  (what: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.timeoutOrElse(effect, { duration: deadline, orElse: () => Effect.die(new Error(`${what} hangs`)) })

/** Looks again and again. Dies when it is not so in time. */
export const eventually = (
  what: string,
  look: Effect.Effect<boolean>,
  seen: () => string = () => ""
): Effect.Effect<void> =>
  Effect.repeat(Effect.delay(look, "25 millis"), { until: (isSo) => isSo }).pipe(
    Effect.asVoid,
    Effect.timeoutOrElse({
      duration: "12 seconds",
      orElse: () => Effect.die(new Error(`it never comes about that ${what}: ${seen()}`))
    })
  )

/** `place` is as good as new: machine and pools agree, and the next invocation succeeds. */
export const isWell = (place: Place) =>
  Effect.gen(function* () {
    yield* place.agree
    expect(yield* place.invoke("steady", "afterwards")).toEqual({ token: "afterwards" })
    yield* place.agree
  })
