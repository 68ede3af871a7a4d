/**
 * What a container printed: Docker's multiplexed stream, each frame with its time, taken apart into lines. Knows how
 * far it has come, so that a stream that broke off is read on from there. No I/O.
 */
import { LineSplitter } from "./LineSplitter.ts"

export interface LogLine {
  readonly stream: "stdout" | "stderr"
  readonly text: string
}

/** A longer line is handed on in pieces of this size: what Lambda's log takes as one event. */
const maxLineBytes = 256 * 1024
/** Stream, three zeros, length. */
const headerBytes = 8
/** `2026-01-12T00:00:00.000000001Z `, in front of each frame: to the nanosecond. */
const time = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z /
const timeBytes = 31

/** Takes Docker's frames apart and gives the lines in them. */
export class ContainerLog {
  #lines: Array<LogLine> = []
  readonly #splitters = { stdout: this.#splitter("stdout"), stderr: this.#splitter("stderr") }
  #pending: Buffer = Buffer.alloc(0)
  #since: string
  /** The time of the last frame, and how many with that very time have been read. */
  #lastTime = ""
  #readAtLastTime = 0
  /** How many of that time come again in a stream that is opened anew. */
  #again = 0

  /** Of what was printed since then; 0: of everything. */
  constructor(sinceMillis = 0) {
    this.#since = String(sinceMillis / 1000)
  }

  /** From when on the engine is to tell, in its API's words: Unix seconds with their nanoseconds. */
  get since(): string {
    return this.#since
  }

  /** What is pushed from here on is a stream from `since` on. */
  reopen(): void {
    this.#pending = Buffer.alloc(0)
    this.#again = this.#readAtLastTime
  }

  push(chunk: Uint8Array): ReadonlyArray<LogLine> {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk])
    let from = 0
    while (this.#pending.length - from >= headerBytes) {
      const end = from + headerBytes + this.#pending.readUInt32BE(from + 4)
      if (this.#pending.length < end) break
      this.#frame(this.#pending[from] === 2 ? "stderr" : "stdout", this.#pending.subarray(from + headerBytes, end))
      from = end
    }
    this.#pending = this.#pending.subarray(from)
    return this.#take()
  }

  /** The lines that were begun and never ended. */
  end(): ReadonlyArray<LogLine> {
    this.#splitters.stdout.end()
    this.#splitters.stderr.end()
    return this.#take()
  }

  #frame(stream: LogLine["stream"], bytes: Buffer): void {
    const [stamp, second, nanos] = time.exec(bytes.toString("latin1", 0, timeBytes)) ?? []
    if (stamp !== undefined) {
      if (stamp !== this.#lastTime) {
        this.#lastTime = stamp
        this.#readAtLastTime = this.#again = 0
        this.#since = `${Date.parse(`${second}Z`) / 1000}.${nanos}`
      } else if (this.#again > 0) {
        this.#again--
        return
      }
      this.#readAtLastTime++
    }
    this.#splitters[stream].push(stamp === undefined ? bytes : bytes.subarray(timeBytes))
  }

  #splitter(stream: LogLine["stream"]): LineSplitter {
    return new LineSplitter(maxLineBytes, (text) => void this.#lines.push({ stream, text }))
  }

  #take(): ReadonlyArray<LogLine> {
    const lines = this.#lines
    this.#lines = []
    return lines
  }
}
