import { expect, it } from "vitest"
import { keepLast } from "../../src/domain/keepLast.ts"

it("makes anew what is not what was asked for last", () => {
  const made: Array<string> = []
  const of = keepLast((first: string, second: string) => {
    made.push(first + second)
    return first + second
  })
  expect([of("a", "b"), of("a", "b"), of("a", "c"), of("b", "c"), of("a", "b")]).toEqual(["ab", "ab", "ac", "bc", "ab"])
  expect(made).toEqual(["ab", "ac", "bc", "ab"])
})

it("keeps undefined as well, and tells it from not having been asked", () => {
  let times = 0
  const of = keepLast((_: string | undefined) => void times++)
  of(undefined)
  of(undefined)
  expect(times).toBe(1)
})
