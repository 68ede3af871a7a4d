/** Lambda's InvokeWithResponseStream: the answer goes out as a stream of events while the function makes it. */
import { Cause, Effect, Exit, type ManagedRuntime, Option } from "effect"
import { Elysia } from "elysia"
import type { InvocationResult, InvocationSink } from "../../src/domain/Invocation.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { respondStreaming } from "../streamedResponse.ts"
import { answerTo, Fault, type GatewayFailure } from "./errors.ts"
import { eventStreamType, type InvokeComplete, invokeComplete, payloadChunk } from "./eventStream.ts"
import { exchangeOf } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import {
  invokeWithResponseStreamOperation,
  ResponseStreamingInvocationType
} from "./invokeWithResponseStreamOperation.ts"
import { refuseMethod } from "./methods.ts"
import { readInvocation } from "./readInvocation.ts"
import { logFault, responseOf } from "./respond.ts"

const path = "/2021-11-15/functions/:FunctionName/response-streaming-invocations"
const invocationTypes = { schema: ResponseStreamingInvocationType, names: "[DryRun, RequestResponse]" }

type StreamRuntime = ManagedRuntime.ManagedRuntime<LambdaInvoker | FunctionRegistry, never>

export const invokeWithResponseStream = (runtime: StreamRuntime, options: GatewayOptions) =>
  new Elysia({ name: "invoke-with-response-stream" })
    .post(
      path,
      ({ request, params, query }) => {
        const run = (sink: InvocationSink) => answer(request, params.FunctionName, query.Qualifier, options, sink)
        return respondStreaming(runtime, request, run, {
          head: ({ executedVersion }) => streamHead(executedVersion),
          frame: payloadChunk,
          last: (exit) => lastFrame(runtime, request, options, exit),
          whole: (exit) => wholeResponse(runtime, request, options, exit)
        })
      },
      { parse: "none", detail: invokeWithResponseStreamOperation }
    )
    .all(path, refuseMethod(options.owner, "POST"), { parse: "none", detail: { hide: true } })

/** Undefined for a dry run. */
const answer = Effect.fnUntraced(function* (
  request: Request,
  functionName: string,
  qualifierParameter: string | undefined,
  options: GatewayOptions,
  sink: InvocationSink
) {
  const { invocation, type } = yield* readInvocation(
    request,
    functionName,
    qualifierParameter,
    invocationTypes,
    options
  )
  if (type === "DryRun") return undefined
  const invoker = yield* LambdaInvoker
  return yield* invoker.invokeStreaming(invocation, sink)
})

export type InvokeWithResponseStreamFailure = Effect.Error<ReturnType<typeof answer>>

type AnswerExit = Exit.Exit<InvocationResult | undefined, InvokeWithResponseStreamFailure>

const streamHead = (executedVersion: string) => ({
  headers: { "Content-Type": eventStreamType, "X-Amz-Executed-Version": executedVersion }
})

/** An answer that was over before it began. */
const wholeResponse = (runtime: StreamRuntime, request: Request, options: GatewayOptions, exit: AnswerExit) => {
  const failed = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : exit.value
  if (failed === undefined || !("executedVersion" in failed)) {
    const dryRun = Exit.map(exit, () => new Response(null, { status: 204 }))
    return responseOf(runtime, exchangeOf(request), options.owner, dryRun)
  }
  return new Response(
    invokeComplete(completionOf(options, failed)) as Uint8Array<ArrayBuffer>,
    streamHead(failed.executedVersion)
  )
}

const lastFrame = (runtime: StreamRuntime, request: Request, options: GatewayOptions, exit: AnswerExit): Uint8Array => {
  if (Exit.isSuccess(exit)) return invokeComplete(exit.value === undefined ? {} : completionOf(options, exit.value))
  const failure = Cause.findErrorOption(exit.cause)
  if (Option.isSome(failure)) return invokeComplete(completionOf(options, failure.value))
  // Nobody reads on.
  if (Cause.hasInterruptsOnly(exit.cause)) return new Uint8Array()
  logFault(runtime, exchangeOf(request), exit.cause)
  return invokeComplete(completionOf(options, new Fault()))
}

const completionOf = ({ owner }: GatewayOptions, outcome: InvocationResult | GatewayFailure): InvokeComplete => {
  if (!("_tag" in outcome)) {
    if (outcome.functionError === undefined) return logOf(outcome)
    return { ...errorOf(outcome.errorType ?? "Function.Unknown", outcome.payload), ...logOf(outcome) }
  }
  if (outcome._tag === "LambdaExecutionError") {
    return { ...errorOf(outcome.errorType, outcome.document), ...logOf(outcome) }
  }
  const { body, headers } = answerTo(outcome, owner)
  return {
    ErrorCode: headers["x-amzn-ErrorType"] ?? outcome._tag,
    ErrorDetails: "bytes" in body ? new TextDecoder().decode(body.bytes) : JSON.stringify(body.value)
  }
}

const logOf = ({ log }: { readonly log?: string | undefined }): InvokeComplete =>
  log === undefined ? {} : { LogResult: Buffer.from(log).toString("base64") }

/** A runtime may say only that it does not know the type of an error; then its document may. */
const errorOf = (errorType: string, document: Uint8Array): InvokeComplete => {
  const details = new TextDecoder().decode(document)
  return {
    ErrorCode: (errorType.endsWith(".Unknown") ? typeIn(details) : undefined) ?? errorType,
    ErrorDetails: details
  }
}

const typeIn = (document: string): string | undefined => {
  try {
    const parsed: unknown = JSON.parse(document)
    const type = typeof parsed === "object" && parsed !== null && "errorType" in parsed ? parsed.errorType : undefined
    return typeof type === "string" ? type : undefined
  } catch {
    return undefined
  }
}
