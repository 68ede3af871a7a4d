/**
 * The short way of Invoke: a plain request for a function is answered without `Request`, `Response`, router, hooks and a
 * fiber, which together cost more than all else that Irori does for it. What is plain: the name alone, no qualifier, no
 * option in a header, a body of known length. All else goes the way of the routes, and so does a plain request that turns
 * out to need more: this refuses nothing itself, and answers only what a function has answered or failed with.
 */
import { Effect, Exit } from "effect"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Invocation, InvocationResult } from "../../src/domain/Invocation.ts"
import type { Direct } from "../../src/http/HttpServer.ts"
import { fieldOf, headerValues, type RequestHead } from "../../src/http/requestHead.ts"
import type { InvokeError } from "../../src/invoke/InvokeError.ts"
import type { Caller } from "../../src/invoke/WarmInvocation.ts"
import type { Abandon } from "../../src/invoke/WorkerClient.ts"
import { refuseCaller } from "./auth.ts"
import { DirectCall, type DirectServices } from "./DirectCall.ts"
import { traceTo } from "./exchange.ts"
import type { GatewayOptions } from "./index.ts"
import { invokeFields, invokeResponse } from "./invokeResponse.ts"
import { checkJson } from "./payload.ts"
import { responseOf } from "./respond.ts"

/** For the server that the gateway is behind. */
export const warmInvoke = (services: DirectServices, options: GatewayOptions): Direct => {
  const { owner, runtime, start } = services

  const begin = (call: DirectCall, functionName: FunctionName, payload: Uint8Array): (() => void) => {
    const { exchange } = call
    const { requestId } = exchange
    const invocation: Invocation = { requestId, functionName, payload, traceId: traceTo(exchange, owner, functionName) }
    const caller: Caller<Exit.Exit<InvocationResult, InvokeError>> = {
      succeeded: (result) => call.answer({ status: 200, fields: fieldsOf(result), body: result.payload }),
      failed: (exit) => {
        if (!call.isOver) call.respond(responseOf(runtime, exchange, owner, Exit.map(exit, invokeResponse)))
      }
    }
    let abandon: Abandon | undefined
    checkJson(payload, (refusal) => {
      if (call.isOver) return
      abandon = refusal === undefined ? start(invocation, caller) : undefined
      if (abandon === undefined) call.pass()
    })
    return () => {
      call.left()
      if (abandon !== undefined) runtime.runFork(Effect.delay(Effect.sync(abandon), finishTime))
    }
  }

  return (head) => {
    const functionName = plainFunction(head, options)
    if (functionName === undefined) return undefined
    const startedMillis = performance.now()
    return (request, reply) =>
      begin(new DirectCall(request, reply, services, startedMillis), functionName, request.body)
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
  const { apiKey } = options
  if (apiKey !== undefined && refuseCaller(headerValues(head), target, apiKey) !== undefined) return undefined
  return FunctionName.make(name)
}

const fieldsOf = (result: InvocationResult): string => {
  let text = ""
  const fields = invokeFields(result)
  for (const name in fields) text += `${name}: ${fields[name]}\r\n`
  return text
}
