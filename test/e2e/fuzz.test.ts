/** The short form of `test/fuzz`: the same bar, three seconds. */
import { expect, it } from "vitest"
import { frontDoor } from "../fuzz/frontDoor.ts"

const seed = 20_261_122

it("the server answers whatever is well formed, refuses the rest, and lives", async () => {
  const { requests, statuses, verdict } = await frontDoor(3, seed)
  expect(verdict).toEqual([])
  expect(requests).toBeGreaterThan(50)
  expect(statuses["200"]).toBeGreaterThan(0)
  expect(statuses["400"]).toBeGreaterThan(0)
}, 60_000)
