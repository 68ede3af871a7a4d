/** The gateway over doubles: what its routes hand on is written down, what comes back is the test's to say. */
import { Cause, Effect, Exit, Layer, Logger, ManagedRuntime, References } from "effect"
import { direct } from "../../plugins/gateway/direct.ts"
import { type GatewayOptions, gateway } from "../../plugins/gateway/index.ts"
import { SignIn, type SignInOptions } from "../../src/auth/SignIn.ts"
import { noFlow } from "../../src/domain/AnswerSink.ts"
import type { Invocation, InvocationSink } from "../../src/domain/Invocation.ts"
import type { Api } from "../../src/domain/Route.ts"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import { FailedEvents } from "../../src/invoke/async/FailedEvents.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { MetricsReport } from "../../src/metrics/MetricsReport.ts"
import { ContainerMetrics } from "../../src/provision/ContainerMetrics.ts"
import { ProvisionClient } from "../../src/provision/ProvisionClient.ts"
import { FunctionRegistry, type RegistryProblem } from "../../src/registry/FunctionRegistry.ts"
import { FileSources } from "../../src/reload/FileSources.ts"
import { Reloader } from "../../src/reload/Reloader.ts"
import { RouteAuthorizer } from "../../src/routing/RouteAuthorizer.ts"
import { RouteTable } from "../../src/routing/RouteTable.ts"
import { functionConfig } from "../support/functions.ts"

export const owner = { region: "us-east-1", accountId: "123456789012" }
export const arn = "arn:aws:lambda:us-east-1:123456789012:function"

export interface LogEntry {
  readonly level: string
  readonly message: string
  readonly annotations: Readonly<Record<string, unknown>>
}

interface Doubles {
  readonly invoke?: LambdaInvoker["Service"]["invoke"]
  /** Whether the invoker may be called without a fiber. */
  readonly isWarm?: boolean
  readonly stream?: LambdaInvoker["Service"]["invokeStreaming"]
  readonly enqueue?: AsyncInvoker["Service"]["enqueue"]
  readonly failedEvents?: Partial<FailedEvents["Service"]>
  readonly problems?: ReadonlyArray<RegistryProblem>
  readonly sync?: ProvisionClient["Service"]["sync"]
  readonly prometheus?: string
  readonly collect?: ContainerMetrics["Service"]["collect"]
  readonly apis?: ReadonlyArray<Api>
  readonly reload?: Reloader["Service"]["reload"]
  readonly authorize?: RouteAuthorizer["Service"]["authorize"]
  readonly apiKey?: string
  readonly signIn?: SignInOptions
  readonly maxPayloadBytes?: number
  readonly maxEventBytes?: number
}

const echo = (invocation: Invocation, sink: InvocationSink) =>
  Effect.sync(() => {
    sink.begin({ executedVersion: "$LATEST", flow: noFlow })
    sink.piece(invocation.payload)
    return { payload: new Uint8Array(), executedVersion: "$LATEST" }
  })

/** There is one function, `hello`; by default it answers with its event. */
export const gatewayApp = (doubles: Doubles = {}) => {
  const invoked: Array<Invocation> = []
  /** Those of them that were invoked without a fiber. */
  const started: Array<Invocation> = []
  const enqueued: Array<Invocation> = []
  /** Those of them that were taken without a fiber. */
  const accepted: Array<Invocation> = []
  const log: Array<LogEntry> = []
  const logger = Logger.make(({ logLevel, message, fiber, cause }) => {
    const parts = [message].flat().map((part) => (part instanceof Error ? (part.stack ?? "") : String(part)))
    log.push({
      level: logLevel,
      message: [...parts, Cause.pretty(cause)].join("\n").trim(),
      annotations: { ...fiber.getRef(References.CurrentLogAnnotations) }
    })
  })
  const invoke: LambdaInvoker["Service"]["invoke"] = (invocation) => {
    invoked.push(invocation)
    return doubles.invoke?.(invocation) ?? Effect.succeed({ payload: invocation.payload, executedVersion: "$LATEST" })
  }
  const start: LambdaInvoker["Service"]["start"] = (invocation, caller) => {
    if (invocation.functionName !== functionConfig().name) return undefined
    started.push(invocation)
    const fiber = Effect.runFork(invoke(invocation))
    fiber.addObserver((exit) => (Exit.isSuccess(exit) ? caller.succeeded(exit.value) : caller.failed(exit)))
    return () => fiber.interruptUnsafe()
  }
  const enqueue: AsyncInvoker["Service"]["enqueue"] = (invocation) => {
    enqueued.push(invocation)
    return doubles.enqueue?.(invocation) ?? Effect.void
  }
  const accept: AsyncInvoker["Service"]["accept"] = (invocation, settle) => {
    accepted.push(invocation)
    const fiber = Effect.runFork(Effect.flip(enqueue(invocation)))
    fiber.addObserver((exit) => settle(Exit.isSuccess(exit) ? exit.value : undefined))
  }
  const sources = Layer.mergeAll(
    FunctionRegistry.layerMemory([functionConfig()], doubles.problems),
    RouteTable.layerMemory(doubles.apis ?? []),
    FileSources.layer
  )
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(
      Layer.succeed(LambdaInvoker, {
        invoke,
        ...(doubles.isWarm === true ? { start } : {}),
        invokeStreaming: (invocation, sink) => {
          invoked.push(invocation)
          return doubles.stream?.(invocation, sink) ?? echo(invocation, sink)
        }
      }),
      Layer.succeed(AsyncInvoker, {
        enqueue,
        ...(doubles.isWarm === true ? { accept } : {}),
        enqueueOnce: () => Effect.die("nothing in a gateway comes at times"),
        drain: Effect.void
      }),
      Layer.mock(FailedEvents, doubles.failedEvents ?? {}),
      Layer.mock(ProvisionClient, { sync: doubles.sync ?? Effect.succeed([]) }),
      Layer.succeed(MetricsReport, { prometheus: Effect.succeed(doubles.prometheus ?? "") }),
      Layer.succeed(ContainerMetrics, { collect: doubles.collect ?? Effect.succeed({ containers: [] }) }),
      doubles.reload === undefined
        ? Reloader.layer.pipe(Layer.provideMerge(sources))
        : Layer.merge(sources, Layer.mock(Reloader, { reload: doubles.reload })),
      doubles.authorize === undefined
        ? RouteAuthorizer.layerNone
        : Layer.mock(RouteAuthorizer, { authorize: doubles.authorize }),
      doubles.signIn === undefined ? SignIn.layerNone : SignIn.layer(doubles.signIn),
      Logger.layer([logger])
    )
  )
  const options: GatewayOptions = {
    owner,
    maxPayloadBytes: doubles.maxPayloadBytes ?? 6_291_456,
    maxEventBytes: doubles.maxEventBytes ?? 1_048_576,
    ...(doubles.apiKey === undefined ? {} : { apiKey: doubles.apiKey }),
    ...(doubles.signIn === undefined ? {} : { signInPath: "/user/auth/v1" })
  }
  const app = gateway(runtime, options)
  const request = (path: string, init?: RequestInit) => app.handle(new Request(`http://localhost${path}`, init))
  return {
    app,
    /** What answers plain requests without the app, for a server. */
    direct: direct(runtime, options, app.routes),
    runtime,
    invoked,
    started,
    enqueued,
    accepted,
    log,
    request,
    /** `path` is what comes after `functions/`: a name and a query, if any. */
    invoke: (
      name: string,
      body: RequestInit["body"] = "{}",
      headers: Record<string, string> = {},
      init: RequestInit = {}
    ) => {
      const [functionName, query] = name.split("?")
      return request(`/2015-03-31/functions/${functionName}/invocations${query === undefined ? "" : `?${query}`}`, {
        method: "POST",
        body,
        headers,
        ...init
      })
    }
  }
}
