import fc from "fast-check"
import { expect, it } from "vitest"
import { WaitingLine } from "../../src/pool/WaitingLine.ts"

it("is a set in the order of coming, whoever comes and leaves", () => {
  const step = fc.record({ do: fc.constantFrom("add", "add", "delete", "deleteFirst"), who: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const line = new WaitingLine<number>()
      const model = new Set<number>()
      for (const { do: what, who } of steps) {
        if (what === "add") {
          line.add(who)
          model.add(who)
        } else {
          const leaving = what === "delete" ? who : ([...model][0] ?? who)
          expect(line.delete(leaving)).toBe(model.delete(leaving))
        }
        expect([line.size, line.first, line.has(who)]).toEqual([model.size, [...model][0], model.has(who)])
        expect([...line]).toEqual([...model])
      }
    })
  )
})

it("may lose whom it is looking at", () => {
  const line = new WaitingLine<string>()
  for (const waiter of ["a", "b", "c", "d"]) line.add(waiter)
  for (const waiter of line) if (waiter !== "c") line.delete(waiter)
  expect([...line]).toEqual(["c"])
})
