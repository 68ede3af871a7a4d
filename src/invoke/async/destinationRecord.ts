/** What destinations and dead-letter queues are given of an event that has ended (`LAMBDA-CONTRACT.md` section 9). Pure. */
import { functionArn, type Owner } from "../../domain/FunctionName.ts"
import { isJson } from "../../domain/json.ts"
import type { Outcome } from "./EventStore.ts"

const utf8 = new TextDecoder()

/** The record as JSON text in one line. Event and answer are in it as they came, so that no number loses a digit. */
export const destinationRecord = (outcome: Omit<Outcome, "id">, owner: Owner): string => {
  const { answer, attempts, condition, endedMillis, invocation } = outcome
  const parts = [
    `"version":"1.0"`,
    `"timestamp":"${new Date(endedMillis).toISOString()}"`,
    `"requestContext":${JSON.stringify({
      requestId: invocation.requestId,
      functionArn: arnOf(outcome, owner),
      condition,
      approximateInvokeCount: attempts
    })}`,
    `"requestPayload":${jsonText(invocation.payload)}`
  ]
  if (answer !== undefined && condition !== "ZeroReservedConcurrency") {
    const context = {
      statusCode: 200,
      executedVersion: answer.executedVersion,
      ...(answer.functionError === undefined ? {} : { functionError: answer.functionError })
    }
    parts.push(`"responseContext":${JSON.stringify(context)}`, `"responsePayload":${jsonText(answer.payload)}`)
  }
  return `{${parts.join(",")}}`
}

/** The record in the envelope that EventBridge puts around it. */
export const eventBridgeEvent = (outcome: Outcome, owner: Owner, busArn: string): string => {
  const head = JSON.stringify({
    version: "0",
    id: outcome.invocation.requestId,
    "detail-type": `Lambda Function Invocation Result - ${outcome.condition === "Success" ? "Success" : "Failure"}`,
    source: "lambda",
    account: owner.accountId,
    time: `${new Date(outcome.endedMillis).toISOString().slice(0, 19)}Z`,
    region: owner.region,
    resources: [busArn, arnOf(outcome, owner)]
  })
  return `${head.slice(0, -1)},"detail":${destinationRecord(outcome, owner)}}`
}

/** What a dead-letter queue is told beside the event. */
export const deadLetterAttributes = ({ answer, condition, invocation }: Omit<Outcome, "id">) => ({
  RequestID: invocation.requestId,
  ErrorCode: "200",
  ErrorMessage: firstKilobyte(answer === undefined ? condition : errorMessageOf(answer.payload))
})

/** A message of a queue as one line: the event as its body, and what is told beside it. */
export const deadLetterMessage = (outcome: Omit<Outcome, "id">): string => {
  const { ErrorCode, ErrorMessage, RequestID } = deadLetterAttributes(outcome)
  return JSON.stringify({
    Body: utf8.decode(outcome.invocation.payload),
    MessageAttributes: {
      RequestID: { DataType: "String", StringValue: RequestID },
      ErrorCode: { DataType: "Number", StringValue: ErrorCode },
      ErrorMessage: { DataType: "String", StringValue: ErrorMessage }
    }
  })
}

const arnOf = ({ invocation }: Pick<Outcome, "invocation">, owner: Owner): string =>
  functionArn(owner, invocation.functionName, invocation.qualifier ?? "$LATEST")

/** As it is where it is JSON, in one line: outside of its strings, JSON has no meaning in line breaks. Else a string. */
const jsonText = (payload: Uint8Array): string => {
  const text = utf8.decode(payload)
  return isJson(text) ? text.replace(/[\r\n]+/g, " ") : JSON.stringify(text)
}

const errorMessageOf = (payload: Uint8Array): string => {
  const text = utf8.decode(payload)
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document === "object" && document !== null && "errorMessage" in document) {
      return String(document.errorMessage)
    }
    return text
  } catch {
    return text
  }
}

const firstKilobyte = (text: string): string => {
  const bytes = new TextEncoder().encode(text)
  // A letter that is cut in two is left out.
  return bytes.length <= 1024 ? text : utf8.decode(bytes.subarray(0, 1024)).replace(/\uFFFD+$/, "")
}
