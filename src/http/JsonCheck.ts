/**
 * Whether bytes are JSON, found out a slice at a time: a large document holds up nobody else, and nothing of it is built.
 * Takes what a strict UTF-8 decoder and then `JSON.parse` take, byte order mark and all else refused; that the bytes are
 * UTF-8 is its caller's to know (`isUtf8` does 6 MB in less than a millisecond).
 */

/** What may come next. From `text` on, it is in the middle of a token. */
const value = 0
const valueOrEnd = 1
const key = 2
const keyOrEnd = 3
const colon = 4
const after = 5
const text = 6
const keyText = 7
const zero = 8
const whole = 9
const fraction = 10
const exponent = 11

const quote = 0x22
const backslash = 0x5c

export class JsonCheck {
  readonly #bytes: Uint8Array
  /** The same bytes by four, from the first boundary of four at or before them; `#shift` of them are somebody else's. */
  readonly #words: Int32Array
  readonly #shift: number
  #at = 0
  #state = value
  /** Of the containers that it is in, a bit for each: whether it is an object. The innermost is the last. */
  #objects = new Uint8Array(16)
  #depth = 0
  /** Where the last token of a value or a name begins, or what follows the last bracket; and what could come there. */
  #token = 0
  #expected = value

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#shift = bytes.byteOffset & 3
    const words = (bytes.length + this.#shift) >> 2
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset - this.#shift, words)
  }

  /** Looks at about so many bytes more. Undefined while there are others; once there is an answer, it stays. */
  advance(budget: number): boolean | undefined {
    // One long loop over what is in variables of its own: calls and fields would make it several times as slow.
    const bytes = this.#bytes
    const words = this.#words
    const shift = this.#shift
    const end = Math.min(bytes.length, this.#at + budget)
    let at = this.#at
    let state = this.#state
    let token = this.#token
    let expected = this.#expected
    let isInObject = this.#isInObject()
    let isBroken = false
    loop: while (at < end) {
      const byte = bytes[at]!
      if (byte <= 0x20 && state < text) {
        if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
          isBroken = true
          break
        }
        at++
        continue
      }
      switch (state) {
        case after:
          if (byte === 0x2c) {
            if (this.#depth === 0) {
              isBroken = true
              break loop
            }
            state = isInObject ? key : value
          } else if (this.#depth > 0 && byte === (isInObject ? 0x7d : 0x5d)) {
            this.#depth--
            isInObject = this.#isInObject()
            token = at + 1
            expected = after
          } else {
            isBroken = true
            break loop
          }
          at++
          break
        case key:
        case keyOrEnd:
          if (byte === quote) {
            token = at
            expected = state
            state = keyText
          } else if (byte === 0x7d && state === keyOrEnd) {
            this.#depth--
            isInObject = this.#isInObject()
            token = at + 1
            expected = state = after
          } else {
            isBroken = true
            break loop
          }
          at++
          break
        case colon:
          if (byte !== 0x3a) {
            isBroken = true
            break loop
          }
          state = value
          at++
          break
        case text:
        case keyText: {
          let next = byte
          while (kinds[next] === 0) {
            at++
            if (((at + shift) & 3) === 0) at = skipPlain(words, (at + shift) >> 2, (end + shift) >> 2) - shift
            if (at >= end) break loop
            next = bytes[at]!
          }
          if (next === quote) {
            state = state === text ? after : colon
            at++
          } else {
            const length = next === backslash ? escapeLength(bytes, at) : 0
            if (length === 0) {
              isBroken = true
              break loop
            }
            at += length
          }
          break
        }
        case zero:
        case whole:
        case fraction:
        case exponent: {
          // No digit follows a zero.
          while (state !== zero && isDigit(bytes[at])) {
            if (++at >= end) break loop
          }
          const next = bytes[at]!
          if (next === 0x2e && (state === whole || state === zero)) {
            if (!isDigit(bytes[at + 1])) {
              isBroken = true
              break loop
            }
            state = fraction
            at += 2
          } else if ((next === 0x65 || next === 0x45) && state !== exponent) {
            const sign = bytes[at + 1]
            const digit = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1
            if (!isDigit(bytes[digit])) {
              isBroken = true
              break loop
            }
            state = exponent
            at = digit + 1
          } else state = after
          break
        }
        default:
          if (byte === 0x5d && state === valueOrEnd) {
            this.#depth--
            isInObject = this.#isInObject()
            token = ++at
            expected = state = after
            break
          }
          token = at
          expected = state
          if (byte === quote) {
            state = text
            at++
          } else if (byte === 0x7b || byte === 0x5b) {
            isInObject = byte === 0x7b
            this.#enter(isInObject)
            token = ++at
            expected = state = isInObject ? keyOrEnd : valueOrEnd
          } else if (byte >= 0x30 && byte <= 0x39) {
            state = byte === 0x30 ? zero : whole
            at++
          } else if (byte === 0x2d && isDigit(bytes[at + 1])) {
            state = bytes[at + 1] === 0x30 ? zero : whole
            at += 2
          } else {
            const length = literalLength(bytes, at)
            if (length === 0) {
              isBroken = true
              break loop
            }
            state = after
            at += length
          }
      }
    }
    // A mistake is met again by whoever asks again.
    this.#at = at
    this.#state = state
    this.#token = token
    this.#expected = expected
    if (isBroken) return false
    if (at < bytes.length) return undefined
    return this.#depth === 0 && (state === after || state >= zero)
  }

  /**
   * Of bytes that are no JSON: a document that is wrong in the same way, without what is right before it. What a parser
   * says of it does not take longer the later the mistake comes.
   */
  remainder(): { readonly before: string; readonly from: number } {
    const within = this.#depth === 0 ? outside : this.#isInObject() ? inObject : inList
    return { before: within[this.#expected] ?? "", from: this.#token }
  }

  #isInObject(): boolean {
    const last = this.#depth - 1
    if (last < 0) return false
    return ((this.#objects[last >> 3]! >> (last & 7)) & 1) === 1
  }

  #enter(isObject: boolean): void {
    const place = this.#depth++
    if (place >> 3 === this.#objects.length) {
      const larger = new Uint8Array(this.#objects.length * 2)
      larger.set(this.#objects)
      this.#objects = larger
    }
    const bit = 1 << (place & 7)
    if (isObject) this.#objects[place >> 3]! |= bit
    else this.#objects[place >> 3]! &= ~bit
  }
}

/** What leads to the place where so much is expected, the shortest of all. */
const outside: Readonly<Record<number, string>> = { [value]: "", [after]: "0 " }
const inList: Readonly<Record<number, string>> = { [value]: "[0,", [valueOrEnd]: "[", [after]: "[0 " }
const inObject: Readonly<Record<number, string>> = {
  [value]: '{"":',
  [key]: '{"":0,',
  [keyOrEnd]: "{",
  [after]: '{"":0 '
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39

const isHex = (byte: number | undefined): boolean =>
  isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)

/** Of the escape that begins there; 0 where it is none. */
const escapeLength = (bytes: Uint8Array, at: number): number => {
  switch (bytes[at + 1]) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return 2
    case 0x75: // u
      return isHex(bytes[at + 2]) && isHex(bytes[at + 3]) && isHex(bytes[at + 4]) && isHex(bytes[at + 5]) ? 6 : 0
    default:
      return 0
  }
}

/** Of `true`, `false` or `null` where it is there; else 0. */
const literalLength = (bytes: Uint8Array, at: number): number => {
  const [second, third, fourth] = [bytes[at + 1], bytes[at + 2], bytes[at + 3]]
  switch (bytes[at]) {
    case 0x74:
      return second === 0x72 && third === 0x75 && fourth === 0x65 ? 4 : 0
    case 0x66:
      return second === 0x61 && third === 0x6c && fourth === 0x73 && bytes[at + 4] === 0x65 ? 5 : 0
    case 0x6e:
      return second === 0x75 && third === 0x6c && fourth === 0x6c ? 4 : 0
    default:
      return 0
  }
}

/** Of each byte whether it means something in a string, where all else is text. */
const kinds = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === quote || byte === backslash ? 1 : 0
)

/** Goes over text by four bytes, from word `nth` on; answers with the first byte of what must be looked at one by one. */
const skipPlain = (words: Int32Array, nth: number, last: number): number => {
  let next = nth
  while (next < last) {
    const word = words[next]!
    const quotes = word ^ 0x22222222
    const backslashes = word ^ 0x5c5c5c5c
    // The highest bit of a byte is set where that is below 0x20, or has become 0 by what a quote or a backslash is. One
    // above a byte that is found may be found too, which does no harm.
    const below = (word - 0x20202020) & ~word
    const same = ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes)
    if (((below | same) & 0x80808080) !== 0) break
    next++
  }
  return next * 4
}
