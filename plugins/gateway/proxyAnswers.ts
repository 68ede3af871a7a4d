/** What a client of an HTTP API sees of each failure: the three manners of answering, each in full. */
import type { Result } from "effect"
import type { Api } from "../../src/domain/Route.ts"
import { matchesMedia } from "../../src/events/binaryMedia.ts"
import { failedApiAnswer, type HttpAnswer, httpAnswerV2 } from "../../src/events/HttpResponseV2.ts"
import { type RestAnswer, restAnswer } from "../../src/events/RestResponse.ts"
import type { InvokeError } from "../../src/invoke/InvokeError.ts"

/** What may come of a request besides a response of the function's own. */
export type ProxyFailure =
  | Exclude<InvokeError["_tag"], "LambdaExecutionError">
  | "FunctionTimedOut"
  | "FunctionCrashed"
  | "FunctionError"
  | "ResultMalformed"
  | "ApiTimedOut"
  | "Stopping"
  | "Unrouted"
  | "HeadersTooLarge"
  | "BodyTooLarge"
  | "BodyCutShort"
  | "Fault"

type Manner = "rest" | "http" | "lenient"

const mannerOf = (api: Api): Manner => (api.isLenient ? "lenient" : api.kind)

const told = (status: number, message: string, headers: HttpAnswer["headers"] = []): HttpAnswer => ({
  status,
  headers: [["content-type", "application/json"], ...headers],
  body: new TextEncoder().encode(JSON.stringify({ message }))
})

const errorType = (name: string): HttpAnswer["headers"] => [["x-amzn-errortype", name]]
const retryAfter: HttpAnswer["headers"] = [["retry-after", "1"]]

const internal = told(502, "Internal server error", errorType("InternalServerErrorException"))
const unavailable = told(503, "Service Unavailable")
const unavailableSoon = told(503, "Service Unavailable", retryAfter)
const throttled = told(429, "Too Many Requests", retryAfter)
const timedOut = told(504, "Endpoint request timed out", errorType("InternalServerErrorException"))
const headersTooLarge = told(431, "Request Header Fields Too Large")
const badRequest = told(400, "Bad Request")

const rest = {
  FunctionNotFound: told(500, "Internal server error", errorType("InternalServerErrorException")),
  FunctionUnusable: internal,
  CircuitOpen: internal,
  RecursiveInvocation: internal,
  WorkerStartFailed: unavailable,
  NoCapacity: throttled,
  Stopping: unavailableSoon,
  FunctionTimedOut: timedOut,
  FunctionCrashed: internal,
  FunctionError: internal,
  ResultMalformed: internal,
  ApiTimedOut: timedOut,
  Unrouted: told(403, "Missing Authentication Token", errorType("MissingAuthenticationTokenException")),
  HeadersTooLarge: headersTooLarge,
  BodyTooLarge: told(413, "Request Too Long", errorType("RequestTooLargeException")),
  BodyCutShort: badRequest,
  Fault: told(500, "Internal server error", errorType("InternalServerErrorException"))
} satisfies Record<ProxyFailure, HttpAnswer>

const answers = {
  rest,
  lenient: { ...rest, FunctionNotFound: internal, Unrouted: told(404, "Not Found") },
  http: {
    FunctionNotFound: failedApiAnswer,
    FunctionUnusable: failedApiAnswer,
    CircuitOpen: told(502, "Bad Gateway"),
    RecursiveInvocation: failedApiAnswer,
    WorkerStartFailed: unavailable,
    NoCapacity: throttled,
    Stopping: unavailableSoon,
    FunctionTimedOut: failedApiAnswer,
    FunctionCrashed: failedApiAnswer,
    FunctionError: failedApiAnswer,
    ResultMalformed: failedApiAnswer,
    ApiTimedOut: unavailable,
    Unrouted: told(404, "Not Found"),
    HeadersTooLarge: headersTooLarge,
    BodyTooLarge: told(413, "Request Entity Too Large"),
    BodyCutShort: badRequest,
    Fault: failedApiAnswer
  }
} satisfies Record<Manner, Record<ProxyFailure, HttpAnswer>>

export const failedAnswer = (api: Api, failure: ProxyFailure): HttpAnswer => answers[mannerOf(api)][failure]

/** Which of the failures an invocation has ended with. */
export const failureOf = (error: InvokeError): ProxyFailure => {
  if (error._tag === "NoCapacity") return error.reason === "Closed" ? "Stopping" : "NoCapacity"
  if (error._tag !== "LambdaExecutionError") return error._tag
  return error.errorType === "Sandbox.Timedout" ? "FunctionTimedOut" : "FunctionCrashed"
}

/** The response that a function's result stands for; or one line that says why it stands for none. */
export const answerOf = (
  api: Api,
  format: "1.0" | "2.0",
  payload: Uint8Array,
  accept: string | undefined
): Result.Result<RestAnswer, string> => {
  if (format === "2.0") return httpAnswerV2(payload)
  if (api.isLenient) return restAnswer(payload, { form: "any", decodesBase64: true })
  if (api.kind === "http") return restAnswer(payload, { form: "open", decodesBase64: true })
  // The first type that the client accepts decides, whatever else it would take.
  const decodesBase64 = matchesMedia(api.binaryMediaTypes, accept?.split(",", 1)[0])
  return restAnswer(payload, { form: "exact", decodesBase64 })
}
