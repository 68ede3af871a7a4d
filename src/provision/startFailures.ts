/** `StartFailed` in the words of a machine room of processes: each detail is one line for a person. */
import type { StartFailure } from "../domain/Worker.ts"
import { StartFailed } from "./Provisioner.ts"

export const failed = (failure: StartFailure, cause?: unknown) =>
  new StartFailed({ failure, ...(cause === undefined ? {} : { cause }) })

export const refused = (detail: string, cause?: unknown) => failed({ reason: "Refused", detail }, cause)

export const unavailable = (detail: string) => failed({ reason: "RuntimeUnavailable", detail })
