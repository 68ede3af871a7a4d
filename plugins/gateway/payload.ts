/** The body of an invocation: read up to its limit, checked to be JSON, passed on as the bytes that came. */
import { isUtf8 } from "node:buffer"
import { setImmediate } from "node:timers"
import { Effect, Exit, Schema } from "effect"
import { JsonCheck } from "../../src/http/JsonCheck.ts"

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
  yield* Effect.callback<void, PayloadNotJson>((resume) =>
    checkJson(payload, (refusal) => resume(refusal === undefined ? Effect.void : Effect.fail(refusal)))
  )
  return payload
})

/**
 * Demands that a body is JSON, as `readPayload` does: `done` is called once, with what is wrong with it if something is,
 * and before this returns where the body is small. A large one is looked at a little at a time, and others run in between.
 */
export const checkJson = (payload: Uint8Array, done: (refusal?: PayloadNotJson) => void): void => {
  if (payload.length <= maxAtOnce) done(refusalOf(() => JSON.parse(utf8.decode(payload))))
  else if (!isUtf8(payload)) done(refusalOf(() => utf8.decode(payload)))
  else checkSlice(payload, new JsonCheck(payload), done)
}

const checkSlice = (payload: Uint8Array, check: JsonCheck, done: (refusal?: PayloadNotJson) => void): void => {
  const until = performance.now() + sliceMillis
  let isJson: boolean | undefined
  do isJson = check.advance(sliceBytes)
  while (isJson === undefined && performance.now() < until)
  if (isJson === undefined) setImmediate(() => checkSlice(payload, check, done))
  else done(isJson ? undefined : refusalOf(() => parseLike(check, payload)))
}

/** Up to here, the runtime's own parser is as fast, and done within a millisecond or two. */
const maxAtOnce = 65_536
/** How long nobody else runs while a body is looked at, and how much of it between two looks at the clock. */
const sliceMillis = 4
const sliceBytes = 65_536

/** What the parser says of a document that was found to be no JSON, without going through all that is right in it. */
const parseLike = (check: JsonCheck, payload: Uint8Array): void => {
  const { before, from } = check.remainder()
  JSON.parse(before + utf8.decode(payload.subarray(from)))
  // It was to fail. Whether the whole is JSON is the parser's to say.
  JSON.parse(utf8.decode(payload))
}

const refusalOf = (parse: () => unknown): PayloadNotJson | undefined => {
  try {
    parse()
    return undefined
  } catch (cause) {
    return new PayloadNotJson({ detail: cause instanceof Error ? cause.message : String(cause) })
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
