/**
 * Writes lines to a stream in batches, one at a time. A reader who does not keep up costs lines, never the event loop:
 * when `maxHeldBytes` wait, more are dropped, and the next one that fits is preceded by how many.
 */
import type { Writable } from "node:stream"

const maxHeldBytes = 8 * 1024 * 1024
/** Of a line that is not made yet. */
const usualBytes = 400

export class LineWriter {
  readonly #stream: Writable
  #lines: Array<string | (() => string)> = []
  #isScheduled = false
  /** A batch is on its way. Whatever is written to a stream that is full is tried again and again by the runtime. */
  #isWriting = false
  #heldBytes = 0
  #dropped = 0

  constructor(stream: Writable) {
    this.#stream = stream
    // A reader that has gone (`irori | head`) is no reason to stop serving.
    stream.on("error", () => {})
  }

  /** A line that is a function is made when its batch is written. */
  write(line: string | (() => string)): void {
    if (this.#heldBytes > maxHeldBytes) {
      this.#dropped++
      return
    }
    if (this.#dropped > 0) {
      this.#lines.push(`${this.#dropped} log lines were dropped: their reader does not keep up`)
      this.#dropped = 0
    }
    this.#lines.push(line)
    this.#heldBytes += typeof line === "string" ? line.length : usualBytes
    if (this.#isScheduled || this.#isWriting) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  /** Waits until everything is written, or for as long as the stream takes to fail. */
  end(): Promise<void> {
    return new Promise((done) => {
      this.#flush()
      // Written after what is on its way; what came meanwhile is before it.
      this.#stream.write("", () => {
        if (this.#lines.length === 0) done()
        else void this.end().then(done)
      })
    })
  }

  #flush(): void {
    if (this.#lines.length === 0 || this.#isWriting) return
    const batch = `${this.#lines.map((line) => (typeof line === "string" ? line : line())).join("\n")}\n`
    this.#lines = []
    this.#heldBytes = 0
    this.#isWriting = true
    this.#stream.write(batch, () => {
      this.#isWriting = false
      this.#flush()
    })
  }
}
