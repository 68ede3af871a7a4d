/** The failures that both kinds of Invoke can end in, and tell as errors. */
import type { GatewayFailure } from "./errors.ts"

export const invokeFailures = {
  PathUnreadable: true,
  ParametersInvalid: true,
  QualifierMismatch: true,
  ClientContextInvalid: true,
  PayloadNotJson: true,
  PayloadCutShort: true,
  AccountDenied: true,
  FunctionNotFound: true,
  RegionUnreachable: true,
  PayloadTooLarge: true,
  NoCapacity: true,
  Fault: true,
  FunctionUnusable: true,
  CircuitOpen: true,
  RecursiveInvocation: true,
  WorkerStartFailed: true
} satisfies { readonly [Tag in GatewayFailure["_tag"]]?: true }
