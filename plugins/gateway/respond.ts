/** From Effect to HTTP: a success is the response, a failure has its row in `errors.ts`, a bug goes into the log. */
import { Cause, Effect, Exit, type ManagedRuntime, Option } from "effect"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { errorResponse, Fault, type GatewayFailure } from "./errors.ts"
import { type Exchange, exchangeOf } from "./exchange.ts"

/** Runs `program` for as long as the client is there. */
export const respond = async <R>(
  runtime: ManagedRuntime.ManagedRuntime<R, never>,
  request: Request,
  owner: Owner,
  program: Effect.Effect<Response, GatewayFailure, R>
): Promise<Response> =>
  responseOf(runtime, exchangeOf(request), owner, await runtime.runPromiseExit(program, { signal: request.signal }))

export const responseOf = (
  runtime: ManagedRuntime.ManagedRuntime<never, never>,
  exchange: Exchange,
  owner: Owner,
  exit: Exit.Exit<Response, GatewayFailure>
): Response => {
  if (Exit.isSuccess(exit)) return exit.value
  const failure = Cause.findErrorOption(exit.cause)
  if (Option.isSome(failure)) return errorResponse(failure.value, owner)
  // Nobody reads this; the number is for the access log.
  if (Cause.hasInterruptsOnly(exit.cause)) return new Response(null, { status: 499 })
  logFault(runtime, exchange, exit.cause)
  return errorResponse(new Fault(), owner)
}

/** `cause` may be anything that was thrown. */
export const logFault = (
  runtime: ManagedRuntime.ManagedRuntime<never, never>,
  { requestId, trace }: Exchange,
  cause: unknown
): void => {
  runtime.runFork(
    Effect.logError("A request failed for a reason that is no caller's fault", cause).pipe(
      Effect.annotateLogs({ aws_request_id: requestId, trace_id: trace.root })
    )
  )
}
