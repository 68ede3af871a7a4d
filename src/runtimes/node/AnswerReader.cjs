/**
 * Finds the answers of a Runtime API in what comes in: a status, fields, and a body whose length is said. The head of an
 * answer stays text, of which a field is read where it is wanted: most are not.
 */
"use strict"

const headEnd = "\r\n\r\n"
/** Heads are shorter than this but for those with a client's context. */
const usualHeadBytes = 1024
const nothing = Buffer.alloc(0)

/** A function that reads one field of a head; undefined where the head has none. */
const fieldOf = (name) => {
  const pattern = new RegExp(`\r\n${name}:(.*)`, "i")
  return (head) => pattern.exec(head)?.[1].trim()
}

const lengthOf = fieldOf("content-length")

/**
 * The head that begins at `from`, and how many bytes it and the body take. Undefined as long as it is not whole. No more
 * is made text than need be: whoever keeps a field keeps all of it in memory.
 */
const headAt = (bytes, from, to, most = usualHeadBytes) => {
  const text = bytes.toString("latin1", from, Math.min(to, from + most))
  const end = text.indexOf(headEnd)
  if (end === -1) return to - from > most ? headAt(bytes, from, to, to) : undefined
  const head = text.slice(0, end)
  const bodyFrom = end + headEnd.length
  return { head, bodyFrom, bytes: bodyFrom + Number(lengthOf(head) ?? 0) }
}

class AnswerReader {
  #answered
  /** Beginning of an answer that is not whole: the first `#size` bytes of it. */
  #kept = nothing
  #size = 0
  /** What is known of the answer that comes in, once its head is whole. */
  #coming = undefined

  /** `answered` gets each answer: `{ status, head, body }`. */
  constructor(answered) {
    this.#answered = answered
  }

  /** Takes the first `size` bytes of `chunk`, whose memory is its owner's again afterwards. */
  push(chunk, size) {
    if (this.#size === 0) return this.#keep(chunk, this.#take(chunk, size), size)
    this.#grow(this.#size + size)
    chunk.copy(this.#kept, this.#size, 0, size)
    this.#size += size
    const taken = this.#take(this.#kept, this.#size)
    if (taken > 0) this.#keep(this.#kept, taken, this.#size)
  }

  /** Hands over every answer that is whole. How many bytes these were. */
  #take(bytes, size) {
    let from = 0
    while (from < size) {
      this.#coming ??= headAt(bytes, from, size)
      if (this.#coming === undefined || size - from < this.#coming.bytes) break
      const { head, bodyFrom, bytes: length } = this.#coming
      this.#coming = undefined
      const body = bytes.toString("utf8", from + bodyFrom, from + length)
      from += length
      this.#answered({ status: Number(head.slice(9, 12)), head, body })
    }
    return from
  }

  #keep(bytes, from, to) {
    this.#size = to - from
    if (from === to) this.#kept = nothing
    else {
      this.#grow(this.#size)
      bytes.copy(this.#kept, 0, from, to)
    }
  }

  /** Makes room for `size` bytes, and at once for all of an answer whose length is known. */
  #grow(size) {
    if (size <= this.#kept.length) return
    const grown = Buffer.allocUnsafe(Math.max(size, this.#coming?.bytes ?? 0))
    this.#kept.copy(grown)
    this.#kept = grown
  }
}

module.exports = { fieldOf, AnswerReader }
