/**
 * The short way of Invoke: a plain request for a function is answered without `Request`, `Response`, router, hooks and a
 * fiber, which together cost more than all else that Irori does for it. What is plain: the name alone, no qualifier, no
 * option in a header, a body of known length. All else goes the way of the routes, and so does a plain request that turns
 * out to need more: this refuses nothing itself, and answers only what a function has answered or failed with.
 */
import { Effect, Exit, type ManagedRuntime } from "effect"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Invocation, InvocationResult } from "../../src/domain/Invocation.ts"
import { formatTraceId } from "../../src/domain/TraceId.ts"
import type { Direct, DirectReply, PlainRequest } from "../../src/http/HttpServer.ts"
import { fieldOf, type RequestHead } from "../../src/http/requestHead.ts"
import type { InvokeError } from "../../src/invoke/InvokeError.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { Caller } from "../../src/invoke/WarmInvocation.ts"
import type { Abandon } from "../../src/invoke/WorkerClient.ts"
import { refuseCaller } from "./auth.ts"
import { accessLog, type Exchange, newExchange, traceTo } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import { invokeFields, invokeResponse } from "./invokeResponse.ts"
import { checkJson } from "./payload.ts"
import { responseOf } from "./respond.ts"

/** For the server that the gateway is behind. */
export const warmInvoke = (
  runtime: ManagedRuntime.ManagedRuntime<LambdaInvoker, never>,
  options: GatewayOptions
): Direct => {
  const log = accessLog(runtime)
  let start: LambdaInvoker["Service"]["start"]
  // Requests that come before the runtime is ready go the long way.
  void runtime.runPromise(LambdaInvoker).then((invoker) => (start = invoker.start))

  const answer = (
    exchange: Exchange,
    functionName: FunctionName,
    { body, head }: PlainRequest,
    reply: DirectReply
  ): (() => void) => {
    let hasLeft = false
    let abandon: Abandon | undefined
    const invocation: Invocation = {
      requestId: exchange.requestId,
      functionName,
      payload: body,
      traceId: traceTo(exchange, options.owner, functionName)
    }
    const logged = (status: number) =>
      log(exchange, { method: head.method, path: head.target, userAgent: fieldOf(head, "user-agent") }, status)
    const caller: Caller<Exit.Exit<InvocationResult, InvokeError>> = {
      succeeded: (result) => {
        if (hasLeft) return
        logged(200)
        reply.answer({ status: 200, fields: fieldsOf(exchange, result), body: result.payload })
      },
      failed: (exit) => {
        if (hasLeft) return
        const response = responseOf(runtime, exchange, options.owner, Exit.map(exit, invokeResponse))
        response.headers.set("x-amzn-RequestId", exchange.requestId)
        response.headers.set("X-Amzn-Trace-Id", formatTraceId(exchange.trace))
        logged(response.status)
        reply.answer(response)
      }
    }
    checkJson(body, (refusal) => {
      if (hasLeft) return
      abandon = refusal === undefined ? start?.(invocation, caller) : undefined
      if (abandon === undefined) reply.pass()
    })
    return () => {
      hasLeft = true
      // Nobody reads this; the number is for the access log.
      logged(499)
      if (abandon !== undefined) runtime.runFork(Effect.delay(Effect.sync(abandon), finishTime))
    }
  }

  return (head) => {
    if (start === undefined) return undefined
    const functionName = plainFunction(head, options)
    if (functionName === undefined) return undefined
    const startedMillis = performance.now()
    return (request, reply) => {
      const trace = fieldOf(head, "x-amzn-trace-id")
      return answer(newExchange(trace, request.clientAddress, startedMillis), functionName, request, reply)
    }
  }
}

/**
 * A worker whose caller has left may take so long to finish, as any would on AWS: what it has under way is then not cut
 * off in the middle, and the next caller does not wait for another to start.
 */
const finishTime = "1 second"

const [before, after] = ["/2015-03-31/functions/", "/invocations"]
const plainName = /^[a-zA-Z0-9-_]{1,64}$/

/** Whom a plain request is for; undefined of any other. */
const plainFunction = (head: RequestHead, options: GatewayOptions): FunctionName | undefined => {
  const { framing, host, method, target } = head
  if (method !== "POST" || !target.startsWith(before) || !target.endsWith(after)) return undefined
  const name = target.slice(before.length, -after.length)
  if (!plainName.test(name)) return undefined
  if (framing === "chunked" || framing === 0 || framing > options.maxPayloadBytes) return undefined
  if ((fieldOf(head, "x-amz-invocation-type") ?? "RequestResponse") !== "RequestResponse") return undefined
  if ((fieldOf(head, "x-amz-log-type") ?? "None") !== "None") return undefined
  if (fieldOf(head, "x-amz-client-context") !== undefined) return undefined
  // The host may be a function URL's, whose paths are all its own.
  if (host.includes("lambda-url")) return undefined
  if (options.apiKey !== undefined) {
    const headers = { get: (field: string) => fieldOf(head, field) }
    if (refuseCaller(headers, target, options.apiKey) !== undefined) return undefined
  }
  return FunctionName.make(name)
}

const fieldsOf = ({ requestId, trace }: Exchange, result: InvocationResult): string => {
  let text = ""
  const fields = invokeFields(result)
  for (const name in fields) text += `${name}: ${fields[name]}\r\n`
  return `${text}x-amzn-RequestId: ${requestId}\r\nX-Amzn-Trace-Id: ${formatTraceId(trace)}\r\n`
}
