/** An invocation as an effect, done by plain calls where they can do it: whoever is in a fiber anyway need not pay for more. */
import { Effect } from "effect"
import type { Invocation, InvocationResult } from "../domain/Invocation.ts"
import type { InvokeError } from "./InvokeError.ts"
import type { LambdaInvoker } from "./LambdaInvoker.ts"
import type { Abandon } from "./WorkerClient.ts"

/**
 * A worker whose caller has left may take so long to finish, as any would on AWS: what it has under way is then not cut
 * off in the middle, and the next caller does not wait for another to start.
 */
const finishTime = "1 second"

export const abandonLater = (abandon: Abandon): Effect.Effect<void> => Effect.delay(Effect.sync(abandon), finishTime)

/** As `invoke` of the same invoker, but that its worker has time to finish when it is interrupted. */
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
    if (abandon === undefined) return undefined
    return Effect.asVoid(Effect.forkDetach(abandonLater(abandon)))
  })
