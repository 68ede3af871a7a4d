/** AWS's own client, whose answers are kept as they came over the wire. Its requests are those of any other. */
import { Readable } from "node:stream"
import type { LambdaClient } from "@aws-sdk/client-lambda"
import type { WireAnswer } from "./answerModel.ts"
import { lambdaClient } from "./lambdas.ts"

/** What of the client's response this reads. */
interface Response {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  body: Readable
}

/** Of this client alone, and taken off before a request leaves. */
const mark = "x-test-operation"

export const recordingClient = (
  url: string
): { readonly client: LambdaClient; readonly answers: ReadonlyArray<WireAnswer> } => {
  const client = lambdaClient(url, { maxAttempts: 1 })
  const answers: Array<WireAnswer> = []
  client.middlewareStack.add(
    (next, context) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers[mark] = (context.commandName ?? "").replace(/Command$/, "")
      return next(args)
    },
    { step: "finalizeRequest", priority: "low" }
  )
  const { requestHandler } = client.config
  const handle = requestHandler.handle.bind(requestHandler)
  requestHandler.handle = async (request, options) => {
    const operation = request.headers[mark] ?? ""
    delete request.headers[mark]
    const handled = await handle(request, options)
    const response = handled.response as unknown as Response
    const headers = lowerCase(response.headers)
    const isStream = headers["content-type"]?.startsWith("application/vnd.amazon.eventstream") === true
    const bytes = isStream ? undefined : await read(response.body)
    if (bytes !== undefined) response.body = Readable.from([bytes])
    answers.push({ operation, status: response.statusCode, headers, body: bytes?.toString() })
    return handled
  }
  return { client, answers }
}

const lowerCase = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const read = async (body: Readable): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}
