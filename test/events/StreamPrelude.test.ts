import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isIntegrationResponse, PreludeReader } from "../../src/events/StreamPrelude.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const nuls = "\0".repeat(8)

/** Reads `whole` in pieces that end at `cuts`, and goes on with the body behind the prelude. */
const read = (whole: Uint8Array, cuts: ReadonlyArray<number> = []) => {
  const reader = new PreludeReader()
  const ends = [...new Set([...cuts.map((cut) => cut % (whole.length + 1)), whole.length])].sort((a, b) => a - b)
  let from = 0
  for (const end of ends) {
    const beginning = reader.push(whole.subarray(from, end))
    if (beginning !== undefined) {
      return Result.map(beginning, ({ head, rest }) => ({ head, body: Buffer.concat([rest, whole.subarray(end)]) }))
    }
    from = end
  }
  return undefined
}

const failureOf = (text: string) => Result.getOrThrow(Result.flip(read(bytes(text))!))

describe("PreludeReader", () => {
  it("takes status, headers and cookies off the body", () => {
    const prelude = { statusCode: 201, headers: { "X-A": "1", "content-type": "text/html" }, cookies: ["a=1"] }
    const { body, head } = Result.getOrThrow(read(bytes(`${JSON.stringify(prelude)}${nuls}<p>`))!)
    expect(head).toEqual({
      status: 201,
      headers: [
        ["x-a", "1"],
        ["content-type", "text/html"],
        ["set-cookie", "a=1"]
      ]
    })
    expect(body.toString()).toBe("<p>")
  })

  it("ignores keys that it does not know: the status is 200", () => {
    const { head } = Result.getOrThrow(read(bytes(`{"status":404}${nuls}`))!)
    expect(head).toEqual({ status: 200, headers: [["content-type", "application/json"]] })
  })

  it("finds the same in whatever pieces they come, also with a body that begins with NULs", () => {
    const anyBytes = fc.uint8Array({ maxLength: 40 })
    fc.assert(
      fc.property(anyBytes, fc.nat(12), fc.array(fc.nat(200)), (tail, leading, cuts) => {
        const body = Buffer.concat([Buffer.alloc(leading), tail])
        const whole = Buffer.concat([
          bytes(`{"statusCode":418,"headers":{"é":1}}`.replace("é", "x-e")),
          bytes(nuls),
          body
        ])
        const beginning = Result.getOrThrow(read(whole, cuts)!)
        expect(beginning.head.status).toBe(418)
        expect(beginning.body.equals(body)).toBe(true)
      })
    )
  })

  it("waits for the end", () => {
    const reader = new PreludeReader()
    expect(reader.push(bytes('{"statusCode":200}'))).toBeUndefined()
    expect(reader.push(bytes("\0".repeat(7)))).toBeUndefined()
    expect(reader.push(bytes("\0"))).toBeDefined()
  })

  it.each([
    [`nonsense${nuls}`, "its prelude is not JSON"],
    [nuls, "its prelude is not JSON"],
    [`[]${nuls}`, "its prelude is no object"],
    [`{"statusCode":"x"}${nuls}`, 'statusCode "x" is no HTTP status'],
    [`{}\0\0\0\0\0\0\0x`, "its prelude does not end with eight NUL bytes"],
    [" ".repeat(65 * 1024), "its prelude does not end"]
  ])("refuses what is none", (prelude, reason) => {
    expect(failureOf(prelude)).toBe(reason)
  })
})

it.each([
  ["application/vnd.awslambda.http-integration-response", true],
  ["Application/vnd.awslambda.http-integration-response; charset=utf-8", true],
  ["application/json", false],
  [undefined, false]
])("a stream of type %s has a prelude: %s", (contentType, expected) => {
  expect(isIntegrationResponse(contentType)).toBe(expected)
})
