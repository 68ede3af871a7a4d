import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { WholeBody } from "../../src/http/WholeBody.ts"

/** A body in pieces, and how long it is said to be: not at all, exactly, or longer than what comes of it. */
const bodies = fc.record({
  pieces: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
  length: fc.oneof(
    fc.constant("unknown" as const),
    fc.record({ missing: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 50 })) })
  )
})

const sum = (pieces: ReadonlyArray<Uint8Array>) => pieces.reduce((bytes, piece) => bytes + piece.length, 0)

describe("WholeBody", () => {
  it("is at any moment what has come, one piece behind the other, whatever its length was said to be", () => {
    fc.assert(
      fc.property(bodies, ({ length, pieces }) => {
        const body = new WholeBody(length === "unknown" ? undefined : sum(pieces) + length.missing)
        expect(body.whole).toHaveLength(0)
        pieces.forEach((piece, place) => {
          body.add(Buffer.from(piece))
          const come = Buffer.concat(pieces.slice(0, place + 1))
          expect(body.bytes).toBe(come.length)
          expect(body.whole.equals(come)).toBe(true)
        })
      })
    )
  })

  it("changes nothing that it was given, nor what it gave before", () => {
    fc.assert(
      fc.property(bodies, ({ length, pieces }) => {
        const body = new WholeBody(length === "unknown" ? undefined : sum(pieces) + length.missing)
        const given = pieces.map((piece) => Buffer.from(piece))
        const wholes = given.map((piece) => {
          body.add(piece)
          return body.whole
        })
        expect(given.map((piece) => new Uint8Array(piece))).toEqual(pieces)
        wholes.forEach((whole, place) => {
          expect(whole.equals(Buffer.concat(pieces.slice(0, place + 1)))).toBe(true)
        })
      })
    )
  })

  it("that is cleared begins again, wherever that is", () => {
    fc.assert(
      fc.property(bodies, fc.nat(8), ({ length, pieces }, before) => {
        const body = new WholeBody(length === "unknown" ? undefined : sum(pieces) + length.missing)
        for (const piece of pieces.slice(0, before)) body.add(Buffer.from(piece))
        body.clear()
        expect([body.bytes, body.whole.length]).toEqual([0, 0])
        for (const piece of pieces.slice(before)) body.add(Buffer.from(piece))
        const rest = Buffer.concat(pieces.slice(before))
        expect([body.bytes, body.whole.equals(rest)]).toEqual([rest.length, true])
      })
    )
  })

  it("of one piece is that piece, and of several of a known length is one place for all of them", () => {
    const [one, two] = [Buffer.from("one"), Buffer.from("two")]
    const body = new WholeBody(6)
    body.add(one)
    expect(body.whole).toBe(one)
    body.add(two)
    expect(body.whole.buffer.byteLength).toBe(6)
    expect(body.whole.buffer).toBe(body.whole.buffer)
  })
})
