import { describe, expect, it } from "vitest"
import { KnownFields } from "../../src/http/KnownFields.ts"

/** What is read is an object of its own, so that it shows whether it was read again. */
const lines = () => new KnownFields((read) => ({ read }))

const known = (fields: KnownFields<{ readonly read: ReadonlyArray<string> }>, text: string) =>
  fields.of(Buffer.from(`GET /${text}`, "latin1"), 5, 5 + text.length)

describe("KnownFields", () => {
  it("reads the lines of a head", () => {
    expect(known(lines(), "\r\nHost: a\r\nX-Byte: \xe9").fields.read).toEqual(["Host: a", "X-Byte: \xe9"])
    expect(known(lines(), "").fields.read).toEqual([])
  })

  it("reads what was said before once, whoever says it", () => {
    const fields = lines()
    const first = known(fields, "\r\nHost: a")
    expect(known(fields, "\r\nHost: a")).toBe(first)
  })

  it.each([
    ["the spelling of a name", "\r\nhost: a"],
    ["a blank", "\r\nHost:  a"],
    ["a value", "\r\nHost: b"],
    ["the order", "\r\nX: 1\r\nHost: a"],
    ["one more field", "\r\nHost: a\r\nX: 1"]
  ])("shares nothing between heads that differ in %s", (_, other) => {
    const fields = lines()
    const first = known(fields, "\r\nHost: a")
    expect(known(fields, other).fields).not.toBe(first.fields)
    expect(known(fields, other).fields.read).toEqual(other.split("\r\n").slice(1))
  })

  it("keeps what is said all the time, and forgets what was said once", () => {
    const fields = lines()
    const often = known(fields, "\r\nX: often")
    const once = known(fields, "\r\nX: once")
    for (let nth = 0; nth < 1000; nth++) {
      known(fields, `\r\nX: ${nth}`)
      expect(known(fields, "\r\nX: often")).toBe(often)
    }
    expect(known(fields, "\r\nX: once")).not.toBe(once)
  })

  it("keeps nothing that is long", () => {
    const fields = lines()
    const long = `\r\nX: ${"x".repeat(4096)}`
    expect(known(fields, long)).not.toBe(known(fields, long))
  })

  it("keeps nothing that could not be read", () => {
    const fields = new KnownFields((): string => {
      throw new Error("malformed")
    })
    const read = () => fields.of(Buffer.from("\r\nX"), 0, 3)
    expect(read).toThrow("malformed")
    expect(read).toThrow("malformed")
  })

  it("holds nothing of what came with a head", () => {
    const came = Buffer.from("\r\nHost: a\r\n\r\na long body")
    const { bytes } = lines().of(came, 0, 9)
    came.fill(0)
    expect(Buffer.from(bytes).toString()).toBe("\r\nHost: a")
    expect(bytes.buffer.byteLength).toBe(9)
  })
})
