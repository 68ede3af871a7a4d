/**
 * The short way of Invoke: a plain request for a function that is warm is answered without the router, its hooks and a
 * fiber, which together cost more than all else that Irori does for it. What is plain: the name alone, no qualifier, no
 * option in a header, a body of known length. All else goes the way of the routes, and so does a plain request that turns
 * out to need more: this refuses nothing itself, and answers only what a function has answered or failed with.
 */
import { Exit, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import { formatTraceId } from "../../src/domain/TraceId.ts"
import { clientAddressOf } from "../../src/http/HttpServer.ts"
import { LambdaInvoker } from "../../src/invoke/LambdaInvoker.ts"
import type { Abandon } from "../../src/invoke/WorkerClient.ts"
import { refuseCaller } from "./auth.ts"
import { errorResponse } from "./errors.ts"
import { type AccessRecord, accessLog, type Exchange, exchangeOf, invocationTrace, takeOver } from "./exchange.ts"
import { functionUrlTarget } from "./functionUrlTarget.ts"
import type { GatewayOptions } from "./index.ts"
import { invokeResponse } from "./invokeResponse.ts"
import { isJson, PayloadCutShort } from "./payload.ts"
import { responseOf } from "./respond.ts"

/** Wraps all routes of the app that it is used in. */
export const warmInvoke = (runtime: ManagedRuntime.ManagedRuntime<LambdaInvoker, never>, options: GatewayOptions) => {
  const log = accessLog(runtime)
  let start: LambdaInvoker["Service"]["start"]
  let isLookedUp = false
  return new Elysia({ name: "warm-invoke" }).wrap((routes, request) => {
    if (start === undefined) {
      // The runtime may not be ready before the first request; that one goes the long way.
      if (!isLookedUp) void runtime.runPromise(LambdaInvoker).then((invoker) => (start = invoker.start))
      isLookedUp = true
      return routes
    }
    const functionName = plainFunction(request, options)
    if (functionName === undefined) return routes
    const answering = new WarmAnswer(runtime, request, functionName, options, log)
    return () => answering.answer(start!, routes as unknown as Routes)
  })
}

type Routes = (request: Request) => Response | Promise<Response>

const [before, after] = ["/2015-03-31/functions/", "/invocations"]
const plainName = /^[a-zA-Z0-9-_]{1,64}$/

/** Whom a plain request is for; undefined of any other. */
const plainFunction = (request: Request, options: GatewayOptions): FunctionName | undefined => {
  if (request.method !== "POST") return undefined
  const { url, headers } = request
  const path = url.indexOf("/", 8)
  if (!url.startsWith(before, path) || !url.endsWith(after)) return undefined
  const name = url.slice(path + before.length, url.length - after.length)
  if (!plainName.test(name)) return undefined
  if (headers.has("x-amz-client-context") || headers.has("transfer-encoding")) return undefined
  if ((headers.get("x-amz-invocation-type") ?? "RequestResponse") !== "RequestResponse") return undefined
  if ((headers.get("x-amz-log-type") ?? "None") !== "None") return undefined
  const length = Number(headers.get("content-length") ?? Number.NaN)
  if (!(length > 0 && length <= options.maxPayloadBytes)) return undefined
  if (options.apiKey !== undefined && refuseCaller(request, url.slice(path), options.apiKey) !== undefined) {
    return undefined
  }
  // The host may be a function URL's, whose paths are all its own.
  return url.includes("lambda-url") && functionUrlTarget(request) !== undefined ? undefined : FunctionName.make(name)
}

class WarmAnswer {
  readonly #runtime: ManagedRuntime.ManagedRuntime<LambdaInvoker, never>
  readonly #request: Request
  readonly #functionName: FunctionName
  readonly #options: GatewayOptions
  readonly #log: AccessRecord
  readonly #exchange: Exchange

  constructor(
    runtime: ManagedRuntime.ManagedRuntime<LambdaInvoker, never>,
    request: Request,
    functionName: FunctionName,
    options: GatewayOptions,
    log: AccessRecord
  ) {
    this.#runtime = runtime
    this.#request = request
    this.#functionName = functionName
    this.#options = options
    this.#log = log
    // Once the answer is sent, the server has forgotten the address.
    this.#exchange = exchangeOf(request, clientAddressOf(request))
  }

  async answer(start: NonNullable<LambdaInvoker["Service"]["start"]>, routes: Routes): Promise<Response> {
    const payload = await this.#request.arrayBuffer().then(
      (body) => new Uint8Array(body),
      (cause) => new PayloadCutShort({ cause })
    )
    if (payload instanceof PayloadCutShort) return this.#respond(errorResponse(payload, this.#options.owner))
    if (payload.length === 0 || payload.length > this.#options.maxPayloadBytes || !isJson(payload)) {
      return routes(this.#again(payload))
    }
    const invocation: Invocation = {
      requestId: this.#exchange.requestId,
      functionName: this.#functionName,
      payload,
      traceId: invocationTrace(this.#request, this.#options.owner, this.#functionName)
    }
    return new Promise<Response>((resolve) => {
      let abandon: Abandon | undefined
      abandon = start(invocation, {
        succeeded: (result) => resolve(this.#respond(invokeResponse(result))),
        failed: (exit) => {
          const response = Exit.map(exit, invokeResponse)
          resolve(this.#respond(responseOf(this.#runtime, this.#request, this.#options.owner, response)))
        },
        waits: () => {
          // Listening to a client costs more than the whole invocation: it is done where one takes its time.
          const { signal } = this.#request
          const leave = () => {
            abandon?.()
            // Nobody reads this; the number is for the access log.
            resolve(this.#respond(new Response(null, { status: 499 })))
          }
          if (signal.aborted) leave()
          else signal.addEventListener("abort", leave, { once: true })
        }
      })
      if (abandon === undefined) resolve(routes(this.#again(payload)))
    })
  }

  /** The request as if its body had not been read. */
  #again(payload: Uint8Array<ArrayBuffer>): Request {
    const copy = new Request(this.#request, { body: payload })
    takeOver(copy, this.#request)
    return copy
  }

  #respond(response: Response): Response {
    const { requestId, trace } = this.#exchange
    response.headers.set("x-amzn-RequestId", requestId)
    response.headers.set("X-Amzn-Trace-Id", formatTraceId(trace))
    this.#log(this.#request, `${before}${this.#functionName}${after}`, response.status)
    return response
  }
}
