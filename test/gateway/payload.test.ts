import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { checkJson, EventTooLarge, readPayload } from "../../plugins/gateway/payload.ts"

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** What is wrong with the bytes, and whether that was known at once. */
const check = (payload: Uint8Array) =>
  new Promise<{ readonly detail: string | undefined; readonly isAtOnce: boolean }>((resolve) => {
    let isAtOnce = true
    checkJson(payload, (refusal) => resolve({ detail: refusal?.detail, isAtOnce }))
    isAtOnce = false
  })

const complaint = (payload: Uint8Array): string | undefined => {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const megabytes = 6 * 2 ** 20
/** Takes a parser much longer than others are to wait. */
const lists = `[${"[],".repeat(megabytes / 3 - 100)}`

describe("a body", () => {
  it("that is small is checked at once", async () => {
    expect(await check(bytesOf('{"a":1}'))).toEqual({ detail: undefined, isAtOnce: true })
    expect(await check(bytesOf('{"a":}'))).toEqual({ detail: complaint(bytesOf('{"a":}')), isAtOnce: true })
  })

  it("that is large lets others run while it is looked at", async () => {
    let turns = 0
    let isDone = false
    const turn = () => {
      if (isDone) return
      turns++
      setImmediate(turn)
    }
    setImmediate(turn)
    const checked = await check(bytesOf(`${lists}0]`))
    isDone = true
    expect(checked).toEqual({ detail: undefined, isAtOnce: false })
    expect(turns).toBeGreaterThan(1)
  })

  it.each([
    ["ends too early", bytesOf(lists)],
    ["has something after it", bytesOf(`${lists}0] x`)],
    ["has a word that is none", bytesOf(`${lists}nothing]`)],
    ["has a comma too many", bytesOf(`${lists}]`)],
    ["is a name without a value", bytesOf(`${lists}{"a" }]`)],
    ["is a text without an end", bytesOf(`"${"x".repeat(megabytes)}`)],
    ["has a line break in a text", bytesOf(`"${"x".repeat(megabytes)}\n"`)],
    ["begins with a byte order mark", bytesOf(`\ufeff"${"x".repeat(megabytes)}"`)],
    ["is no UTF-8", new Uint8Array([...bytesOf(`"${"x".repeat(100_000)}`), 0xed, 0xa0, 0x80, 0x22])]
  ])("that is large and %s is refused with the parser's words", async (_, payload) => {
    expect(complaint(payload)).toBeDefined()
    expect((await check(payload)).detail).toBe(complaint(payload))
  })

  it("that is large is passed on as the bytes that came", async () => {
    const body = bytesOf(JSON.stringify({ text: "äöü \u{1f525}".repeat(50_000), list: [1.5e300, -0, null, true] }))
    const request = new Request("http://localhost/", { method: "POST", body })
    const tooLarge = (bytes: number) => new EventTooLarge({ bytes, limitBytes: megabytes })
    expect(await Effect.runPromise(readPayload(request, megabytes, tooLarge))).toEqual(body)
  })
})
