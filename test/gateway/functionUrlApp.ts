/** Function URLs over a double of the invoker: `hello`, and its alias `live`, with real policies and URLs. */
import { Cause, Effect, Layer, Logger, ManagedRuntime, References, Result } from "effect"
import { Elysia } from "elysia"
import { functionUrl } from "../../plugins/gateway/functionUrl.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { type FunctionUrlSettings, FunctionUrls } from "../../src/control/FunctionUrls.ts"
import { Policies } from "../../src/control/Policies.ts"
import type { FunctionReference } from "../../src/domain/FunctionReference.ts"
import type { Invocation, InvocationSink } from "../../src/domain/Invocation.ts"
import type { HttpEventV2 } from "../../src/events/HttpEventV2.ts"
import { trustedProxies } from "../../src/http/TrustedProxies.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import { parseCredentials } from "../../src/sigv4/Credentials.ts"
import { ground, owner } from "../support/controlApp.ts"
import { aliasRecord, versionRecord } from "../support/functionRecords.ts"
import type { LogEntry } from "./gatewayApp.ts"

interface Doubles {
  readonly invoke?: LambdaInvoker["Service"]["invoke"]
  readonly stream?: LambdaInvoker["Service"]["invokeStreaming"]
  readonly credentials?: string
  readonly proxies?: string
  readonly maxPayloadBytes?: number
}

export const hello = { name: "hello" }
export const live = { name: "hello", qualifier: "live" }

/** By default the function answers with its event. */
export const functionUrlApp = async (doubles: Doubles = {}) => {
  const invoked: Array<Invocation> = []
  const log: Array<LogEntry> = []
  const logger = Logger.make(({ logLevel, message, fiber, cause }) => {
    const text = [message].flat().map((part) => (part instanceof Error ? (part.stack ?? "") : String(part)))
    log.push({
      level: logLevel,
      message: [...text, Cause.pretty(cause)].join("\n").trim(),
      annotations: { ...fiber.getRef(References.CurrentLogAnnotations) }
    })
  })
  const invoker = Layer.succeed(LambdaInvoker, {
    invoke: (invocation) => {
      invoked.push(invocation)
      return doubles.invoke?.(invocation) ?? Effect.succeed({ payload: invocation.payload, executedVersion: "$LATEST" })
    },
    invokeStreaming: (invocation: Invocation, sink: InvocationSink) => {
      invoked.push(invocation)
      return doubles.stream?.(invocation, sink) ?? Effect.die("nothing streams here")
    }
  })
  const runtime = ManagedRuntime.make(
    Layer.mergeAll(
      invoker,
      FunctionUrls.layer({ owner, domain: "localhost" }),
      Policies.layer({ owner }),
      Logger.layer([logger])
    ).pipe(Layer.provideMerge(ground), Layer.orDie)
  )
  await runtime.runPromise(
    Effect.map(FunctionStore, (store) => {
      store.putVersion("hello", versionRecord())
      store.putAlias("hello", aliasRecord("live", "$LATEST"))
    })
  )
  const app = new Elysia()
    .use(
      functionUrl(runtime, {
        owner,
        maxPayloadBytes: doubles.maxPayloadBytes ?? 6_291_456,
        credentials: Result.getOrThrow(parseCredentials(doubles.credentials ?? "", owner)),
        proxies: Result.getOrThrow(trustedProxies(doubles.proxies ?? ""))
      })
    )
    .get("/other", () => "a route")

  /** A URL that everybody may call, unless `permission` says otherwise; answers with its id. */
  const create = (
    settings: Partial<FunctionUrlSettings> = {},
    reference: FunctionReference = hello,
    permission: { readonly Principal: string; readonly FunctionUrlAuthType: string } = {
      Principal: "*",
      FunctionUrlAuthType: "NONE"
    }
  ): Promise<string> =>
    runtime.runPromise(
      Effect.gen(function* () {
        const url = yield* (yield* FunctionUrls).create(reference, { authType: "NONE", ...settings })
        const policies = yield* Policies
        const statement = { StatementId: "s", Action: "lambda:InvokeFunctionUrl", ...permission }
        yield* policies.allow(reference, statement)
        return url.id
      })
    )

  return {
    app,
    runtime,
    invoked,
    log,
    create,
    /** The event of the last invocation. */
    event: (): HttpEventV2 => JSON.parse(new TextDecoder().decode(invoked.at(-1)!.payload)),
    /** `target` is the path with its query. */
    request: (id: string, target = "/", init?: RequestInit) =>
      app.handle(new Request(`http://${hostOf(id)}${target}`, init))
  }
}

export const hostOf = (id: string): string => `${id}.lambda-url.us-east-1.localhost:3000`
