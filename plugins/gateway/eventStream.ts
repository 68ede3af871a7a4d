/**
 * The framing of `application/vnd.amazon.eventstream`, as far as a streamed answer needs it: lengths, headers, payload,
 * and a checksum of the lengths and one of the whole (`LAMBDA-CONTRACT.md` section 4.1).
 */
import { crc32 } from "node:zlib"

export const eventStreamType = "application/vnd.amazon.eventstream"

/** What is told at the end, where there is something to tell. */
export interface InvokeComplete {
  readonly ErrorCode?: string
  readonly ErrorDetails?: string
  /** Base64 of the end of the invocation's log. */
  readonly LogResult?: string
}

/** One write of the function. */
export const payloadChunk = (payload: Uint8Array): Uint8Array => frame(chunkHeaders, payload)

/** The last frame of every stream. */
export const invokeComplete = (complete: InvokeComplete): Uint8Array =>
  frame(completeHeaders, Buffer.from(JSON.stringify(complete)))

const stringType = 7

const headers = (fields: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [
      Buffer.from([name.length]),
      Buffer.from(name),
      Buffer.from([stringType, value.length >> 8, value.length & 255]),
      Buffer.from(value)
    ])
  )

const chunkHeaders = headers({
  ":message-type": "event",
  ":event-type": "PayloadChunk",
  ":content-type": "application/octet-stream"
})
const completeHeaders = headers({
  ":message-type": "event",
  ":event-type": "InvokeComplete",
  ":content-type": "application/json"
})

const preludeBytes = 12
const checksumBytes = 4

const frame = (headers: Buffer, payload: Uint8Array): Uint8Array => {
  const length = preludeBytes + headers.length + payload.length + checksumBytes
  const bytes = Buffer.allocUnsafe(length)
  bytes.writeUInt32BE(length, 0)
  bytes.writeUInt32BE(headers.length, 4)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 8)), 8)
  bytes.set(headers, preludeBytes)
  bytes.set(payload, preludeBytes + headers.length)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, length - checksumBytes)), length - checksumBytes)
  return bytes
}
