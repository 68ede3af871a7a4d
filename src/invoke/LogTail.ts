/** The end of an invocation's log as Lambda tells its caller (`LAMBDA-CONTRACT.md` section 2.1). No I/O and no clock. */

/** Lambda tells the last 4 KB. */
const maxTailBytes = 4096

export interface Report {
  readonly durationMillis: number
  readonly memoryMegabytes: number
  /** The most the worker has had in its life; absent where that cannot be measured. */
  readonly maxMemoryBytes?: number
  /** Of a cold start. */
  readonly initMillis?: number
}

export class LogTail {
  readonly #requestId: string
  readonly #lines: Array<string> = []
  #bytes = 0

  /** `version` is the one that runs: `$LATEST` or a number. */
  constructor(requestId: string, version: string) {
    this.#requestId = requestId
    this.line(`START RequestId: ${requestId} Version: ${version}`)
  }

  /** What the worker prints, without its line feed. Only what may still be told is kept. */
  line(text: string): void {
    const line = `${text}\n`
    this.#lines.push(line)
    this.#bytes += Buffer.byteLength(line)
    for (;;) {
      const oldest = Buffer.byteLength(this.#lines[0] ?? "")
      if (this.#bytes - oldest < maxTailBytes) return
      this.#lines.shift()
      this.#bytes -= oldest
    }
  }

  end(report: Report): string {
    this.line(`END RequestId: ${this.#requestId}`)
    this.line(reportLine(this.#requestId, report))
    const bytes = Buffer.from(this.#lines.join(""))
    let from = Math.max(0, bytes.length - maxTailBytes)
    // A letter that is cut in two is left out.
    while (((bytes[from] ?? 0) & 0xc0) === 0x80) from++
    return bytes.toString("utf8", from)
  }
}

const megabyte = 1024 * 1024

const reportLine = (requestId: string, report: Report): string => {
  const { durationMillis, initMillis, maxMemoryBytes = 0, memoryMegabytes } = report
  const parts = [
    `REPORT RequestId: ${requestId}`,
    `Duration: ${durationMillis.toFixed(2)} ms`,
    `Billed Duration: ${Math.ceil(durationMillis)} ms`,
    `Memory Size: ${memoryMegabytes} MB`,
    `Max Memory Used: ${Math.ceil(maxMemoryBytes / megabyte)} MB`,
    ...(initMillis === undefined ? [] : [`Init Duration: ${initMillis.toFixed(2)} ms`])
  ]
  return `${parts.join("\t")}\t`
}
