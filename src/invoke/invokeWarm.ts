/** An invocation as an effect, done by plain calls where they can do it: whoever is in a fiber anyway need not pay for more. */
import { Effect } from "effect"
import type { Invocation, InvocationResult } from "../domain/Invocation.ts"
import type { InvokeError } from "./InvokeError.ts"
import type { LambdaInvoker } from "./LambdaInvoker.ts"

/** As `invoke` of the same invoker. */
export const invokeWarm = (
  invoker: LambdaInvoker["Service"],
  invocation: Invocation
): Effect.Effect<InvocationResult, InvokeError> =>
  Effect.callback((resume) => {
    const abandon = invoker.start?.(invocation, {
      succeeded: (result) => resume(Effect.succeed(result)),
      failed: (exit) => resume(exit)
    })
    if (abandon === undefined) resume(invoker.invoke(invocation))
    return abandon === undefined ? undefined : Effect.sync(abandon)
  })
