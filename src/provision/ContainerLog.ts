/** What a container printed: Docker's multiplexed stream taken apart into lines. No I/O. */
import { LineSplitter } from "./LineSplitter.ts"

export interface LogLine {
  readonly stream: "stdout" | "stderr"
  readonly text: string
}

/** A longer line is handed on in pieces of this size: what Lambda's log takes as one event. */
const maxLineBytes = 256 * 1024
/** Stream, three zeros, length. */
const headerBytes = 8

/** Takes Docker's frames apart and gives the lines in them. */
export class ContainerLog {
  #lines: Array<LogLine> = []
  readonly #splitters = { stdout: this.#splitter("stdout"), stderr: this.#splitter("stderr") }
  #pending: Buffer = Buffer.alloc(0)

  push(chunk: Uint8Array): ReadonlyArray<LogLine> {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk])
    let from = 0
    while (this.#pending.length - from >= headerBytes) {
      const end = from + headerBytes + this.#pending.readUInt32BE(from + 4)
      if (this.#pending.length < end) break
      this.#splitters[this.#pending[from] === 2 ? "stderr" : "stdout"].push(
        this.#pending.subarray(from + headerBytes, end)
      )
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

  #splitter(stream: LogLine["stream"]): LineSplitter {
    return new LineSplitter(maxLineBytes, (text) => void this.#lines.push({ stream, text }))
  }

  #take(): ReadonlyArray<LogLine> {
    const lines = this.#lines
    this.#lines = []
    return lines
  }
}
