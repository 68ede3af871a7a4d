/** What a container printed: Docker's multiplexed stream taken apart into lines. No I/O. */

export interface LogLine {
  readonly stream: "stdout" | "stderr"
  readonly text: string
}

/** A longer line is handed on in pieces of this size. */
export const maxLineBytes = 64 * 1024

const headerBytes = 8
const newline = 10

/** Gathers the lines of one stream. */
export class LineSplitter {
  readonly #maxBytes: number
  #pending: Buffer = Buffer.alloc(0)

  constructor(maxBytes = maxLineBytes) {
    this.#maxBytes = maxBytes
  }

  push(chunk: Uint8Array): ReadonlyArray<string> {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk])
    const lines: Array<string> = []
    let from = 0
    for (;;) {
      const end = this.#pending.indexOf(newline, from)
      const length = (end === -1 ? this.#pending.length : end) - from
      if (length > this.#maxBytes) {
        const to = cutBefore(this.#pending, from + this.#maxBytes, from)
        lines.push(this.#pending.toString("utf8", from, to))
        from = to
      } else if (end === -1) break
      else {
        const to = this.#pending[end - 1] === 13 && end > from ? end - 1 : end
        lines.push(this.#pending.toString("utf8", from, to))
        from = end + 1
      }
    }
    this.#pending = this.#pending.subarray(from)
    return lines
  }

  /** The line that was begun and never ended, if there is one. */
  end(): ReadonlyArray<string> {
    const rest = this.#pending
    this.#pending = Buffer.alloc(0)
    return rest.length === 0 ? [] : [rest.toString("utf8")]
  }
}

/** A place at or a little before `at` that does not split a letter. */
const cutBefore = (bytes: Buffer, at: number, from: number): number => {
  let cut = at
  while (cut > from && cut > at - 4 && (bytes[cut]! & 0xc0) === 0x80) cut--
  return cut === from ? at : cut
}

/** Takes Docker's frames (stream, length, bytes) apart and gives the lines in them. */
export class ContainerLog {
  readonly #splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() }
  #pending: Buffer = Buffer.alloc(0)

  push(chunk: Uint8Array): ReadonlyArray<LogLine> {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk])
    const lines: Array<LogLine> = []
    let from = 0
    while (this.#pending.length - from >= headerBytes) {
      const end = from + headerBytes + this.#pending.readUInt32BE(from + 4)
      if (this.#pending.length < end) break
      const stream = this.#pending[from] === 2 ? "stderr" : "stdout"
      const body = this.#pending.subarray(from + headerBytes, end)
      for (const text of this.#splitters[stream].push(body)) lines.push({ stream, text })
      from = end
    }
    this.#pending = this.#pending.subarray(from)
    return lines
  }

  end(): ReadonlyArray<LogLine> {
    return (["stdout", "stderr"] as const).flatMap((stream) =>
      this.#splitters[stream].end().map((text) => ({ stream, text }))
    )
  }
}
