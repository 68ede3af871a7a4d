/**
 * Has docker-modem hand over the engine's answers as they come, and reads them here: by itself it waits for ever for
 * the rest of one that breaks off.
 */
import type { Readable } from "node:stream"

type Callback = (error: unknown, answer?: unknown) => void

interface Dial {
  readonly path: string
  readonly isStream?: boolean | undefined
  readonly openStdin?: boolean | undefined
  readonly hijack?: boolean | undefined
  readonly abortSignal?: AbortSignal
}

interface Modem {
  dial(options: Dial, callback?: Callback): void
}

export const readWholeAnswers = (modem: Modem): void => {
  const dial = modem.dial.bind(modem)
  modem.dial = (options, callback = () => {}) => {
    if (options.isStream === true || options.openStdin === true || options.hijack === true) {
      dial(options, callback)
      return
    }
    dial({ ...options, isStream: true }, (error, answer) => {
      if (error !== null && error !== undefined) callback(error)
      // An HTTP response, whose status was one that is expected.
      else read(answer as Readable, options.abortSignal, callback)
    })
  }
}

const read = (answer: Readable, signal: AbortSignal | undefined, callback: Callback): void => {
  const chunks: Array<Buffer> = []
  const leave = () => answer.destroy()
  const settle = (error: unknown, value?: unknown) => {
    signal?.removeEventListener("abort", leave)
    callback(error, value)
  }
  signal?.addEventListener("abort", leave)
  answer.on("data", (chunk: Buffer) => chunks.push(chunk))
  answer.once("end", () => settle(null, valueOf(Buffer.concat(chunks))))
  answer.on("error", (error) => settle(error))
}

/** JSON where it is some; other text as it came. */
const valueOf = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString()) as unknown
  } catch {
    return bytes
  }
}
