import { isUtf8 } from "node:buffer"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { JsonCheck } from "../../src/http/JsonCheck.ts"

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const bytesOf = (text: string) => new TextEncoder().encode(text)

/** What `JSON.parse` says of the bytes; undefined where it takes them. */
const complaint = (bytes: Uint8Array): string | undefined => {
  try {
    JSON.parse(utf8.decode(bytes))
    return undefined
  } catch (error) {
    return String(error)
  }
}

const isJson = (bytes: Uint8Array, budget: number): boolean => {
  if (!isUtf8(bytes)) return false
  const check = new JsonCheck(bytes)
  for (;;) {
    const answer = check.advance(budget)
    if (answer !== undefined) return answer
  }
}

/** What is left of a document that is no JSON. */
const remainder = (bytes: Uint8Array, budget: number): Uint8Array => {
  const check = new JsonCheck(bytes)
  while (check.advance(budget) === undefined);
  const { before, from } = check.remainder()
  return new Uint8Array([...bytesOf(before), ...bytes.subarray(from)])
}

/** The same bytes at another place in memory, among others that are no part of them. */
const shifted = (bytes: Uint8Array, by: number): Uint8Array => {
  const larger = new Uint8Array(bytes.length + by + 7).fill(0x22)
  larger.set(bytes, by)
  return larger.subarray(by, by + bytes.length)
}

/** Values as text, with the blanks and the escapes that `JSON.stringify` would not write. */
const blanks = fc.stringMatching(/^[ \n\r\t]{0,3}$/)
const texts = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }).map((text) => JSON.stringify(text).slice(1, -1)),
      fc.constantFrom(
        '\\"',
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\n",
        "\\r",
        "\\t",
        "\\u00e9",
        "\\uD83D",
        "\\uABcd",
        "plain text"
      ),
      fc.string({ minLength: 20, maxLength: 60 }).map((text) => JSON.stringify(text).slice(1, -1))
    ),
    { maxLength: 4 }
  )
  .map((parts) => `"${parts.join("")}"`)
const numbers = fc.oneof(
  fc.stringMatching(/^-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?$/),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number))
)
const documents = fc.letrec<{ value: string }>((tie) => ({
  value: fc
    .tuple(
      blanks,
      fc.oneof(
        { maxDepth: 6, withCrossShrink: true },
        fc.oneof(texts, numbers, fc.constantFrom("true", "false", "null")),
        fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
        blanks.map((blank) => `[${blank}]`),
        fc
          .array(fc.tuple(blanks, texts, blanks, tie("value")), { maxLength: 4 })
          .map((fields) => `{${fields.map(([one, name, two, item]) => `${one}${name}${two}:${item}`).join(",")}}`)
      ),
      blanks
    )
    .map((parts) => parts.join(""))
})).value

/** Bytes that mean something, or that are next to those that do. */
const telling = fc.oneof(
  fc.constantFrom(...bytesOf("{}[]\",:\\ \n\t\r0123456789-+.eEtrufalsn/b'")),
  fc.constantFrom(0x00, 0x1f, 0x20, 0x21, 0x7f, 0x80, 0xbf, 0xc0, 0xe0, 0xed, 0xef, 0xf4, 0xff, 0x0b, 0x0c, 0xa0),
  fc.integer({ min: 0, max: 255 })
)

const mutations = fc.array(
  fc.tuple(fc.constantFrom("change", "insert", "remove", "cut", "repeat"), fc.nat(), telling),
  { minLength: 1, maxLength: 3 }
)

const mutate = (bytes: Uint8Array, changes: ReadonlyArray<readonly [string, number, number]>): Uint8Array => {
  let list = [...bytes]
  for (const [kind, where, byte] of changes) {
    const at = where % (list.length + 1)
    if (kind === "change") list[Math.min(at, Math.max(0, list.length - 1))] = byte
    else if (kind === "insert") list.splice(at, 0, byte)
    else if (kind === "remove") list.splice(at, 1)
    else if (kind === "cut") list = list.slice(0, at)
    else list.splice(at, 0, ...list.slice(at, at + 8))
  }
  return Uint8Array.from(list)
}

const budgets = fc.integer({ min: 1, max: 40 })
const shifts = fc.integer({ min: 0, max: 7 })

const numRuns = 3000

describe("JsonCheck", () => {
  it("takes every document that is JSON, in slices of any size, from any place in memory", () => {
    fc.assert(
      fc.property(documents, budgets, shifts, (document, budget, shift) => {
        const bytes = bytesOf(document)
        expect(complaint(bytes)).toBeUndefined()
        expect(isJson(shifted(bytes, shift), budget)).toBe(true)
      }),
      { numRuns }
    )
  }, 60_000)

  it("takes of documents that were changed by a few bytes those that JSON.parse takes", () => {
    fc.assert(
      fc.property(documents, mutations, budgets, shifts, (document, changes, budget, shift) => {
        const bytes = shifted(mutate(bytesOf(document), changes), shift)
        expect(isJson(bytes, budget)).toBe(complaint(bytes) === undefined)
      }),
      { numRuns }
    )
  }, 60_000)

  it("takes of a few telling bytes those that JSON.parse takes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3 }), fc.array(telling, { maxLength: 8 }), (some, others) => {
        for (const bytes of [some, Uint8Array.from(others)])
          expect(isJson(bytes, 1)).toBe(complaint(bytes) === undefined)
      }),
      { numRuns: 3 * numRuns }
    )
  }, 60_000)

  it("takes of all sequences of up to six tokens those that JSON.parse takes, and says the same of what is left", () => {
    const tokens = ["{", "}", "[", "]", ",", ":", '"a"', "1"]
    const differing: Array<string> = []
    const look = (document: string, more: number) => {
      const bytes = bytesOf(document)
      const expected = complaint(bytes)
      if (isJson(bytes, 2) !== (expected === undefined)) differing.push(document)
      else if (expected !== undefined && complaint(remainder(bytes, 2)) !== expected) differing.push(document)
      if (more > 0) for (const token of tokens) look(document + token, more - 1)
    }
    look("", 6)
    expect(differing).toEqual([])
  }, 60_000)

  it.each([
    "",
    " ",
    "\ufeff1",
    '{"a":1}',
    "[1,]",
    "{,}",
    "01",
    "-",
    "-0",
    "1.",
    ".5",
    "1e",
    "1E+2",
    "+1",
    "tru",
    "nulll"
  ])("says of %j what JSON.parse says", (document) => {
    expect(isJson(bytesOf(document), 1)).toBe(complaint(bytesOf(document)) === undefined)
  })

  it("has no limit to how deep a document is", () => {
    const depth = 300_000
    const open = '[{"a":'.repeat(depth)
    expect(isJson(bytesOf(`${open}1${"}]".repeat(depth)}`), 65_536)).toBe(true)
    expect(isJson(bytesOf(`${open}1${"}]".repeat(depth - 1)}]}`), 65_536)).toBe(false)
  })

  it("has what is left of a wrong document be wrong in the same words", () => {
    fc.assert(
      fc.property(documents, mutations, budgets, (document, changes, budget) => {
        const bytes = mutate(bytesOf(document), changes)
        fc.pre(isUtf8(bytes) && !isJson(bytes, budget))
        expect(complaint(remainder(bytes, budget))).toBe(complaint(bytes))
      }),
      { numRuns }
    )
  }, 60_000)
})
