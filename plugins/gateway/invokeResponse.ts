/** What Invoke answers with when the function has run. */
import type { InvocationResult } from "../../src/domain/Invocation.ts"

export const invokeResponse = (result: InvocationResult): Response =>
  // What workers send is never in shared memory, which is all that the two types differ by.
  new Response(result.payload as Uint8Array<ArrayBuffer>, {
    headers: {
      "Content-Type": "application/json",
      "X-Amz-Executed-Version": result.executedVersion,
      ...(result.functionError === undefined ? {} : { "X-Amz-Function-Error": result.functionError }),
      ...(result.log === undefined ? {} : { "X-Amz-Log-Result": Buffer.from(result.log).toString("base64") })
    }
  })
