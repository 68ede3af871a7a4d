/**
 * Writes lines to a stream in batches. A reader who does not keep up costs lines, never the event loop: past
 * `maxBacklogBytes` lines are dropped, and the next one that fits is preceded by how many.
 */
import type { Writable } from "node:stream"

const maxBacklogBytes = 8 * 1024 * 1024

export class LineWriter {
  readonly #stream: Writable
  #lines: Array<string | (() => string)> = []
  #scheduled = false
  #dropped = 0

  constructor(stream: Writable) {
    this.#stream = stream
    // A reader that has gone (`irori | head`) is no reason to stop serving.
    stream.on("error", () => {})
  }

  /** A line that is a function is made when its batch is written. */
  write(line: string | (() => string)): void {
    if (this.#stream.writableLength > maxBacklogBytes) {
      this.#dropped++
      return
    }
    if (this.#dropped > 0) {
      this.#lines.push(`${this.#dropped} log lines were dropped: their reader does not keep up`)
      this.#dropped = 0
    }
    this.#lines.push(line)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    this.#scheduled = false
    if (this.#lines.length === 0) return
    const batch = `${this.#lines.map((line) => (typeof line === "string" ? line : line())).join("\n")}\n`
    this.#lines = []
    this.#stream.write(batch)
  }

  /** Waits until everything is written, or for as long as the stream takes to fail. */
  end(): Promise<void> {
    this.flush()
    return new Promise((done) => this.#stream.write("", () => done()))
  }
}
