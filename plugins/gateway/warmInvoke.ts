/**
 * The short way of Invoke: a plain request for a function is answered without `Request`, `Response`, router, hooks and a
 * fiber, which together cost more than all else that Irori does for it. What is plain: the name alone, no qualifier, no
 * option in a header but that it is an event, a body of known length. All else goes the way of the routes, and so does a
 * plain request that turns out to need more: this refuses nothing itself, and answers only with what became of an
 * invocation.
 */
import { Exit } from "effect"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Invocation, InvocationResult } from "../../src/domain/Invocation.ts"
import { keepLast } from "../../src/domain/keepLast.ts"
import { flat } from "../../src/http/flat.ts"
import type { Direct } from "../../src/http/HttpServer.ts"
import { fieldOf, headerValues, type RequestHead } from "../../src/http/requestHead.ts"
import type { InvokeError } from "../../src/invoke/InvokeError.ts"
import type { Caller } from "../../src/invoke/WarmInvocation.ts"
import type { Abandon } from "../../src/invoke/WorkerClient.ts"
import { refuseCaller } from "./auth.ts"
import { DirectCall, type DirectServices } from "./DirectCall.ts"
import { traceTo } from "./exchange.ts"
import { mayBeFunctionUrl } from "./functionUrlTarget.ts"
import type { GatewayOptions } from "./index.ts"
import { invokeFields, invokeResponse } from "./invokeResponse.ts"
import { checkJson } from "./payload.ts"
import { responseOf } from "./respond.ts"

/** For the server that the gateway is behind. */
export const warmInvoke = (services: DirectServices, options: GatewayOptions): Direct => {
  const { accept, isKnown, owner, runtime, start } = services

  /** Undefined where it cannot be begun here. */
  const invoke = (call: DirectCall, invocation: Invocation): Abandon | undefined => {
    const caller: Caller<Exit.Exit<InvocationResult, InvokeError>> = {
      succeeded: (result) => call.answer({ status: 200, fields: fieldsOf(result), body: result.payload }),
      failed: (exit) => {
        if (!call.isOver) call.respond(responseOf(runtime, call.exchange, owner, Exit.map(exit, invokeResponse)))
      }
    }
    return start(invocation, caller)
  }

  const enqueue = (call: DirectCall, invocation: Invocation): Abandon | undefined => {
    if (accept === undefined || !isKnown(invocation.functionName)) return undefined
    accept(invocation, (error) => {
      if (error === undefined) call.answer({ status: 202, fields: "", body: noBytes })
      else if (!call.isOver) call.respond(responseOf(runtime, call.exchange, owner, Exit.fail(error)))
    })
    // It is taken, or about to be.
    return () => {}
  }

  const begin = (call: DirectCall, { functionName, isEvent }: Plain, payload: Uint8Array): (() => void) => {
    const { exchange } = call
    const { requestId } = exchange
    const invocation: Invocation = { requestId, functionName, payload, traceId: traceTo(exchange, owner, functionName) }
    let abandon: Abandon | undefined
    checkJson(payload, (refusal) => {
      if (call.isOver) return
      if (refusal === undefined) abandon = isEvent ? enqueue(call, invocation) : invoke(call, invocation)
      if (abandon === undefined) call.pass()
    })
    return () => call.leave(abandon)
  }

  /** By heads, which are the same objects for requests whose heads are: a caller mostly says the same again. */
  const known = new WeakMap<RequestHead, Plain>()

  const read = (head: RequestHead): Plain | undefined => {
    const plain = plainOf(head, options)
    if (plain !== undefined) known.set(head, plain)
    return plain
  }

  return (head) => {
    const plain = known.get(head) ?? read(head)
    if (plain === undefined) return undefined
    const startedMillis = performance.now()
    return (request, reply) => begin(new DirectCall(request, reply, services, startedMillis), plain, request.body)
  }
}

const [before, after] = ["/2015-03-31/functions/", "/invocations"]
const plainName = /^[a-zA-Z0-9-_]{1,64}$/

interface Plain {
  readonly functionName: FunctionName
  /** Its caller does not wait for what becomes of it. */
  readonly isEvent: boolean
}

/** What a plain request is for; undefined of any other. */
const plainOf = (head: RequestHead, options: GatewayOptions): Plain | undefined => {
  const { framing, method, target } = head
  if (method !== "POST" || !target.startsWith(before) || !target.endsWith(after)) return undefined
  // A function URL's host comes before any path.
  if (mayBeFunctionUrl(head)) return undefined
  const name = target.slice(before.length, -after.length)
  if (!plainName.test(name)) return undefined
  const type = fieldOf(head, "x-amz-invocation-type") ?? "RequestResponse"
  const isEvent = type === "Event"
  if (!isEvent && type !== "RequestResponse") return undefined
  const maxBytes = isEvent ? options.maxEventBytes : options.maxPayloadBytes
  if (framing === "chunked" || framing === 0 || framing > maxBytes) return undefined
  if ((fieldOf(head, "x-amz-log-type") ?? "None") !== "None") return undefined
  if (fieldOf(head, "x-amz-client-context") !== undefined) return undefined
  const { apiKey } = options
  if (apiKey !== undefined && refuseCaller(headerValues(head), target, apiKey) !== undefined) return undefined
  return { functionName: FunctionName.make(name), isEvent }
}

const noBytes = new Uint8Array()

/** Of a version that has answered as most do. */
const plainFieldsOf = keepLast((executedVersion: string) => flat(linesOf({ executedVersion, payload: noBytes })))

const fieldsOf = (result: InvocationResult): string =>
  result.functionError === undefined && result.log === undefined
    ? plainFieldsOf(result.executedVersion)
    : linesOf(result)

const linesOf = (result: InvocationResult): string => {
  let text = ""
  const fields = invokeFields(result)
  for (const name in fields) text += `${name}: ${fields[name]}\r\n`
  return text
}
