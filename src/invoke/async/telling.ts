/** Whom an event's end is told to, by what its function says. Pure, but for the ids of the invocations it makes. */
import { randomUUID } from "node:crypto"
import type { EventInvokeSettings } from "../../control/EventInvokeConfigs.ts"
import { functionArn } from "../../domain/FunctionName.ts"
import { formatTraceId, invocationHop, parseTraceId } from "../../domain/TraceId.ts"
import { type DestinationOptions, readDestination } from "./Destination.ts"
import { destinationRecord } from "./destinationRecord.ts"
import type { Telling } from "./EventQueue.ts"
import type { DeliveryKind, Outcome } from "./EventStore.ts"

export interface Audience extends Pick<EventInvokeSettings, "onSuccess" | "onFailure"> {
  /** It gets the bare event, when it failed. */
  readonly deadLetter: string | undefined
}

/** The trace of an event, as it leads to a function that is told of it. */
const traceTo = (traceId: string, arn: string): string => {
  const trace = parseTraceId(traceId)
  return trace === undefined ? traceId : formatTraceId(invocationHop(trace, arn))
}

/** Undefined where a success is nobody's to know. */
export const tellingOf = (
  outcome: Omit<Outcome, "id">,
  { deadLetter, onFailure, onSuccess }: Audience,
  options: DestinationOptions
): Telling | undefined => {
  const isSuccess = outcome.condition === "Success"
  const wanted: ReadonlyArray<readonly [DeliveryKind, string | undefined]> = isSuccess
    ? [["record", onSuccess]]
    : [
        ["record", onFailure],
        ["event", deadLetter]
      ]
  const invocations: Array<Telling["invocations"][number]> = []
  const deliveries: Array<Telling["deliveries"][number]> = []
  for (const [kind, target] of wanted) {
    if (target === undefined || target === "") continue
    const destination = readDestination(target, options)
    if (destination?._tag !== "Function") {
      deliveries.push({ kind, target, isLost: destination === undefined })
      continue
    }
    const { payload, traceId } = outcome.invocation
    invocations.push({
      requestId: randomUUID(),
      functionName: destination.name,
      ...(destination.qualifier === undefined ? {} : { qualifier: destination.qualifier }),
      payload: kind === "event" ? payload : new TextEncoder().encode(destinationRecord(outcome, options.owner)),
      traceId: traceTo(traceId, functionArn(options.owner, destination.name))
    })
  }
  const lost = deliveries.filter(({ isLost }) => isLost).map(({ target }) => target)
  const isToBeDelivered = deliveries.some(({ isLost }) => !isLost)
  const isKept = !isSuccess && !isToBeDelivered && (deliveries.length > 0 || invocations.length === 0)
  if (isSuccess && invocations.length === 0 && deliveries.length === 0) return undefined
  return { invocations, deliveries: isToBeDelivered ? deliveries : [], lost, isKept }
}
