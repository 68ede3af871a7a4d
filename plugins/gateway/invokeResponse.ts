/** What Invoke answers with when the function has run. */
import type { InvocationResult } from "../../src/domain/Invocation.ts"
import { withBytes } from "../../src/http/HttpServer.ts"

export const invokeResponse = (result: InvocationResult): Response => {
  const { payload } = result
  // What workers send is never in shared memory, which is all that the two types differ by.
  return withBytes(new Response(payload as Uint8Array<ArrayBuffer>, { headers: invokeFields(result) }), payload)
}

/** The headers of it. */
export const invokeFields = ({ executedVersion, functionError, log }: InvocationResult): Record<string, string> => {
  const fields: Record<string, string> = {
    "Content-Type": "application/json",
    "X-Amz-Executed-Version": executedVersion
  }
  if (functionError !== undefined) fields["X-Amz-Function-Error"] = functionError
  if (log !== undefined) fields["X-Amz-Log-Result"] = Buffer.from(log).toString("base64")
  return fields
}
