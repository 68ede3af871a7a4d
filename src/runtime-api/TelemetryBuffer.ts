/** One subscription's records until they are sent: in batches of a limited count and size. No I/O and no clock. */

export interface Buffering {
  readonly maxItems: number
  readonly maxBytes: number
  /** How long the first record of a batch waits for others. */
  readonly timeoutMs: number
}

/** Lambda's, where a subscription says nothing. */
export const defaultBuffering: Buffering = { maxItems: 10_000, maxBytes: 262_144, timeoutMs: 1000 }

/** How many batches a destination may be behind; more is dropped, the oldest first. */
export const maxBatches = 8

export class TelemetryBuffer {
  readonly #buffering: Buffering
  #records: Array<string> = []
  #bytes = 0
  readonly #batches: Array<{ readonly records: number; readonly body: string }> = []
  #dropped = { records: 0, bytes: 0 }

  constructor(buffering: Buffering) {
    this.#buffering = buffering
  }

  /** Takes in the JSON of one record. True when a batch can be sent. */
  add(json: string): boolean {
    const bytes = Buffer.byteLength(json)
    const { maxBytes, maxItems } = this.#buffering
    const fits = this.#bytes + bytes <= maxBytes
    if (!fits) this.close()
    this.#records.push(json)
    this.#bytes += bytes
    if (this.#records.length >= maxItems || this.#bytes >= maxBytes) this.close()
    return this.#batches.length > 0
  }

  /** True while records wait for others that go with them. */
  get isOpen(): boolean {
    return this.#records.length > 0
  }

  /** What there is becomes a batch. */
  close(): void {
    if (this.#records.length === 0) return
    const body = `[${this.#records.join(",")}]`
    this.#batches.push({ records: this.#records.length, body })
    this.#records = []
    this.#bytes = 0
    if (this.#batches.length > maxBatches) this.drop(this.#batches.shift()!)
  }

  /** The next batch: a JSON array. */
  take(): { readonly records: number; readonly body: string } | undefined {
    return this.#batches.shift()
  }

  /** A batch that nobody gets. */
  drop(batch: { readonly records: number; readonly body: string }): void {
    this.#dropped = {
      records: this.#dropped.records + batch.records,
      bytes: this.#dropped.bytes + Buffer.byteLength(batch.body)
    }
  }

  /** What was dropped since this was asked last; undefined where that is nothing. */
  takeDropped(): { readonly records: number; readonly bytes: number } | undefined {
    if (this.#dropped.records === 0) return undefined
    const dropped = this.#dropped
    this.#dropped = { records: 0, bytes: 0 }
    return dropped
  }
}
