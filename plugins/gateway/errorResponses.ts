/** The error responses of the API document, all of them out of the rows of `errors.ts`. */
import type { Owner } from "../../src/domain/FunctionName.ts"
import { answerTo, type ErrorAnswer, type GatewayFailure, rowOf } from "./errors.ts"

const exampleOwner: Owner = { region: "us-east-1", accountId: "123456789012" }

const text = (description: string, example?: string) => ({
  description,
  schema: { type: "string" },
  ...(example === undefined ? {} : { example })
})

/** The headers of every answer. */
export const everyAnswer = {
  "x-amzn-RequestId": text("The id of the request, and of the invocation.", "8c8a2c9e-9a3b-4f0a-8a1e-0f0d7c1b2a3d"),
  "X-Amzn-Trace-Id": text(
    "The trace that the request came with, or began.",
    "Root=1-67891233-abcdef012345678912345678;Sampled=0"
  )
}

/** Those of some. */
export const answerHeaders = {
  "X-Amz-Executed-Version": text("The version that ran, also where an alias was asked for.", "$LATEST"),
  "X-Amz-Function-Error": {
    description: "There only if the function failed; the body is then its error document.",
    schema: { type: "string", enum: ["Unhandled"] }
  },
  "X-Amz-Log-Result": text("With `X-Amz-Log-Type: Tail`: base64 of the last 4 KB of the invocation's log."),
  "x-amzn-ErrorType": text("AWS's name of the error."),
  "Retry-After": text("Seconds."),
  Allow: text("The methods that this path has.")
}

const statusTexts: Readonly<Record<number, string>> = {
  400: "A parameter or the payload is not as it should be.",
  403: "The function would be another account's.",
  404: "There is no such function, or no such version of it.",
  413: "The payload is too large.",
  429: "The function has all the workers it may have, and none came free in time. Nothing ran.",
  500: "A fault of the platform. What it was is in its log.",
  502: "The function cannot be started as it is configured, or not at the moment. Nothing ran.",
  503: "The platform is stopping. Nothing ran."
}

const headersOf = (answers: ReadonlyArray<ErrorAnswer>) => {
  const names = new Set(answers.flatMap((answer) => Object.keys(answer.headers)))
  return Object.fromEntries(Object.entries(answerHeaders).filter(([name]) => names.has(name)))
}

export const valueOf = ({ body }: ErrorAnswer): unknown =>
  "bytes" in body ? JSON.parse(new TextDecoder().decode(body.bytes)) : body.value

/** The answers to these failures by their statuses, with an example of each. */
export const errorResponses = (tags: ReadonlyArray<GatewayFailure["_tag"]>) => {
  const byStatus = Map.groupBy(exampleAnswers(tags), ([, answer]) => answer.status)
  const responses = [...byStatus]
    .filter(([status]) => status !== 200)
    .sort(([a], [b]) => a - b)
    .map(([status, examples]) => {
      const answers = examples.map(([, answer]) => answer)
      const references = [...new Set(answers.map(({ body }) => body.schema))].map((name) => ({
        $ref: `#/components/schemas/${name}`
      }))
      return [
        status,
        {
          description: statusTexts[status],
          headers: { ...everyAnswer, ...headersOf(answers) },
          content: {
            "application/json": {
              schema: references.length === 1 ? references[0] : { oneOf: references },
              examples: Object.fromEntries(
                examples.map(([name, answer]) => [
                  name,
                  { summary: `${answer.headers["x-amzn-ErrorType"]}: ${name}`, value: valueOf(answer) }
                ])
              )
            }
          }
        }
      ]
    })
  return Object.fromEntries(responses)
}

/** What the examples of `tags` are answered with, by their names. */
export const exampleAnswers = (
  tags: ReadonlyArray<GatewayFailure["_tag"]>
): ReadonlyArray<readonly [name: string, answer: ErrorAnswer]> =>
  tags.flatMap((tag) =>
    Object.entries(rowOf(tag).examples).map(([name, failure]) => [name, answerTo(failure, exampleOwner)] as const)
  )
