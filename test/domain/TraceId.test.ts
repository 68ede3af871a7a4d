import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatTraceId, newTraceId, nextHop, parseTraceId } from "../../src/domain/TraceId.ts"

const root = "1-67891233-abcdef012345678912345678"
const parent = "463ac35c9f6413ad"

describe("TraceId", () => {
  it.each([
    [`Root=${root};Parent=${parent};Sampled=1`, `Root=${root};Parent=${parent};Sampled=1`],
    [`Sampled=?; Root=${root}`, `Root=${root};Sampled=?`],
    [`Root=${root}`, `Root=${root};Sampled=0`],
    [root, `Root=${root};Sampled=0`],
    [`Self=1-67891234-12456789abcdef012345678;Root=${root};Sampled=1`, `Root=${root};Sampled=1`],
    [
      `Root=${root};Parent=${parent};Sampled=0;Lineage=1:a87bd80c:1`,
      `Root=${root};Parent=${parent};Sampled=0;Lineage=1:a87bd80c:1`
    ],
    [`Root=${root};Parent=nonsense;Sampled=yes;junk`, `Root=${root};Sampled=0`]
  ])("keeps what is valid of %s", (header, kept) => expect(formatTraceId(parseTraceId(header)!)).toBe(kept))

  it.each([
    "",
    "garbage",
    "Root=",
    "Root=1-xyz-abcdef012345678912345678",
    `Parent=${parent};Sampled=1`,
    `Root=2-${root.slice(2)}`
  ])("takes '%s' for no trace id", (header) => expect(parseTraceId(header)).toBeUndefined())

  it("begins with the second and 24 random digits, not sampled", () => {
    expect(formatTraceId(newTraceId(1_736_970_803_999, "abcdef012345678912345678"))).toBe(
      "Root=1-67881233-abcdef012345678912345678;Sampled=0"
    )
  })

  it("changes its parent, and nothing else, from hop to hop", () => {
    const trace = parseTraceId(`Root=${root};Parent=${parent};Sampled=1`)!
    expect(nextHop(trace, "0123456789abcdef")).toEqual({ ...trace, parent: "0123456789abcdef" })
  })

  it("reads back whatever it made of any header", () => {
    const field = fc.constantFrom(
      `Root=${root}`,
      `Parent=${parent}`,
      "Sampled=1",
      "Lineage=a:1",
      "=",
      "Root=x",
      "Sampled"
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(field).map((fields) => fields.join(";"))
        ),
        (header) => {
          const trace = parseTraceId(header)
          if (trace !== undefined) expect(parseTraceId(formatTraceId(trace))).toEqual(trace)
        }
      )
    )
  })
})
