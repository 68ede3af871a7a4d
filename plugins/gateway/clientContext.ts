/** `X-Amz-Client-Context`: what the caller tells the function about itself, beside the event. */
import { Result, Schema } from "effect"

/** Of the header, base64 as it is. */
export const maxClientContextBytes = 3583

export class ClientContextInvalid extends Schema.TaggedError<ClientContextInvalid>()("ClientContextInvalid", {
  reason: Schema.Literals(["TooLong", "NotJson"])
}) {
  override get message() {
    return this.reason === "TooLong"
      ? `Client context must be no longer than ${maxClientContextBytes} bytes.`
      : "Client context must be a valid Base64-encoded JSON object."
  }
}

/** Decodes the header to one line of ASCII, so that it can travel on as the header it is towards the runtime. */
export const parseClientContext = (header: string): Result.Result<string, ClientContextInvalid> => {
  if (header.length > maxClientContextBytes) return Result.fail(new ClientContextInvalid({ reason: "TooLong" }))
  const notJson = new ClientContextInvalid({ reason: "NotJson" })
  if (!base64.test(header)) return Result.fail(notJson)
  return Result.try({
    try: () => JSON.parse(utf8.decode(Buffer.from(header, "base64"))) as unknown,
    catch: () => notJson
  }).pipe(
    Result.filterOrFail(
      (context) => typeof context === "object" && context !== null && !Array.isArray(context),
      () => notJson
    ),
    Result.map((context) => JSON.stringify(context).replace(notAscii, escape))
  )
}

const base64 = /^[A-Za-z0-9+/]+={0,2}$/
const utf8 = new TextDecoder("utf-8", { fatal: true })
const notAscii = /[^\x20-\x7e]/g
const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
