/** The error documents that Lambda itself writes when a function gives no answer (`LAMBDA-CONTRACT.md` section 3). */
import { Duration } from "effect"
import type { WorkerExit } from "../domain/Worker.ts"

export interface ErrorDocument {
  readonly errorType: string
  readonly errorMessage: string
}

/** UTF-8 JSON. */
export const errorDocument = (document: ErrorDocument): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ errorType: document.errorType, errorMessage: document.errorMessage }))

export const timeoutDocument = (requestId: string, timeout: Duration.Duration): ErrorDocument => ({
  errorType: "Sandbox.Timedout",
  errorMessage: `RequestId: ${requestId} Error: Task timed out after ${Duration.toSeconds(timeout).toFixed(2)} seconds`
})

/** `exit` is absent where the worker broke off and nobody saw its process end. */
export const exitDocument = (requestId: string, exit: WorkerExit | undefined): ErrorDocument => ({
  errorType: exit?.outOfMemory === true ? "Runtime.OutOfMemory" : "Runtime.ExitError",
  errorMessage: `RequestId: ${requestId} Error: ${describeExit(exit)}`
})

export const describeExit = (exit: WorkerExit | undefined): string => {
  if (exit?.signal !== undefined) return `Runtime exited with error: signal: ${exit.signal}`
  if (exit?.code === undefined || exit.code === 0) return "Runtime exited without providing a reason"
  return `Runtime exited with error: exit status ${exit.code}`
}
