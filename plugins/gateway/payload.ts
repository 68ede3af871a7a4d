/** The body of an invocation: read up to its limit, checked to be JSON, passed on as the bytes that came. */
import { Effect, Exit, Schema } from "effect"

export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  limitBytes: Schema.Int
}) {
  override get message() {
    return `Request must be smaller than ${this.limitBytes} bytes for the InvokeFunction operation`
  }
}

export class EventTooLarge extends Schema.TaggedError<EventTooLarge>()("EventTooLarge", {
  /** What the request declared; without that, what had come when it was refused. */
  bytes: Schema.Int,
  limitBytes: Schema.Int
}) {
  override get message() {
    return `${this.bytes} byte payload is too large for the Event invocation type (limit ${this.limitBytes} bytes)`
  }
}

export class PayloadNotJson extends Schema.TaggedError<PayloadNotJson>()("PayloadNotJson", {
  detail: Schema.String
}) {
  override get message() {
    return `Could not parse request body into json: Could not parse payload into json: ${this.detail}`
  }
}

/** The connection ended, or broke its framing, before the body did. */
export class PayloadCutShort extends Schema.TaggedError<PayloadCutShort>()("PayloadCutShort", {
  cause: Schema.Defect()
}) {
  override get message() {
    return "The request body ended before it was complete."
  }
}

/** `tooLarge` makes the refusal out of the size that was declared or has come. */
export const readPayload = Effect.fnUntraced(function* <E>(
  request: Request,
  limitBytes: number,
  tooLarge: (bytes: number) => E
) {
  const payload = yield* readBody(request, limitBytes, tooLarge)
  if (payload.length === 0) return emptyEvent
  yield* Effect.try({
    try: () => void JSON.parse(utf8.decode(payload)),
    catch: (cause) => new PayloadNotJson({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
  return payload
})

/** What `readPayload` demands of a body. */
export const isJson = (payload: Uint8Array): boolean => {
  try {
    JSON.parse(utf8.decode(payload))
    return true
  } catch {
    return false
  }
}

const emptyEvent = new TextEncoder().encode("{}")

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The bytes of a request, none where it has no body. `tooLarge` as above. */
export const readBody = Effect.fnUntraced(function* <E>(
  request: Request,
  limitBytes: number,
  tooLarge: (bytes: number) => E
) {
  const declared = declaredBytes(request.headers)
  if (declared === undefined) {
    return request.body === null ? new Uint8Array() : yield* gather(request.body, limitBytes, tooLarge)
  }
  if (declared > limitBytes) return yield* Effect.fail(tooLarge(declared))
  const body = yield* Effect.tryPromise({
    try: () => request.arrayBuffer(),
    catch: (cause) => new PayloadCutShort({ cause })
  })
  return body.byteLength > limitBytes ? yield* Effect.fail(tooLarge(body.byteLength)) : new Uint8Array(body)
})

/** Absent for a chunked body, whose length nobody knows before its end. */
const declaredBytes = (headers: Headers): number | undefined => {
  const length = headers.get("content-length")
  return length === null || headers.has("transfer-encoding") || !/^\d+$/.test(length) ? undefined : Number(length)
}

/** Holds no more than one chunk above the limit, and reads no further. */
const gather = <E>(body: ReadableStream<Uint8Array>, limitBytes: number, tooLarge: (bytes: number) => E) =>
  Effect.acquireUseRelease(
    Effect.sync(() => body.getReader()),
    Effect.fnUntraced(function* (reader) {
      const chunks: Array<Uint8Array> = []
      let bytes = 0
      for (;;) {
        const { value } = yield* Effect.tryPromise({
          try: () => reader.read(),
          catch: (cause) => new PayloadCutShort({ cause })
        })
        if (value === undefined) return new Uint8Array(Buffer.concat(chunks))
        bytes += value.length
        if (bytes > limitBytes) return yield* Effect.fail(tooLarge(bytes))
        chunks.push(value)
      }
    }),
    (reader, exit) => (Exit.isSuccess(exit) ? Effect.void : Effect.sync(() => void reader.cancel().catch(() => {})))
  )
