/** The way in to one worker's Runtime API: for connections from that worker alone. */
import type { ByteStream } from "../net/ByteStream.ts"

/** Where connections are let in, or told of that are not. */
export interface Door {
  readonly enter: (stream: ByteStream, onClosed: () => void) => void
  readonly refuse: (address: string) => void
}

/** Lets one worker's connections in. Those that come before its address is known wait, unread. */
export class AddressGate {
  readonly #door: Door
  readonly #open = new Set<ByteStream>()
  #waiting: Array<ByteStream> | undefined
  #admitted: string | undefined

  constructor(door: Door) {
    this.#door = door
  }

  arrive(stream: ByteStream): void {
    this.#open.add(stream)
    stream.user = { data: () => {}, ended: () => {}, closed: () => this.#forget(stream) }
    if (this.#admitted !== undefined) this.#check(stream, this.#admitted)
    else {
      stream.pause()
      this.#waiting ??= []
      this.#waiting.push(stream)
    }
  }

  /** Lets in one that has shown in another way whose it is. */
  welcome(stream: ByteStream): void {
    this.#open.add(stream)
    this.#door.enter(stream, () => this.#forget(stream))
  }

  admit(address: string): void {
    this.#admitted = address
    for (const stream of this.#waiting ?? []) this.#check(stream, address)
    this.#waiting = undefined
  }

  close(): void {
    for (const stream of this.#open) stream.destroy()
  }

  #forget(stream: ByteStream): void {
    this.#open.delete(stream)
  }

  #check(stream: ByteStream, admitted: string): void {
    const address = stream.remoteAddress?.replace(/^::ffff:/, "")
    if (address === admitted) {
      this.#door.enter(stream, () => this.#forget(stream))
      stream.resume()
    } else {
      stream.destroy()
      // One that is closed already has no address any more: nothing to report.
      if (address !== undefined) this.#door.refuse(address)
    }
  }
}
