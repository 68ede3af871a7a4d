import fc from "fast-check"
import { expect, it } from "vitest"
import { type InLine, Line } from "../../src/domain/Line.ts"

class Someone implements InLine<Someone> {
  before: Someone | undefined = undefined
  after: Someone | undefined = undefined
  isInLine = false
  readonly name: number

  constructor(name: number) {
    this.name = name
  }
}

const namesIn = (line: Iterable<Someone>) => [...line].map(({ name }) => name)

it("is a set in the order of coming, whoever comes and leaves", () => {
  const step = fc.record({ do: fc.constantFrom("add", "add", "delete", "deleteFirst"), who: fc.nat(20) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const everybody = Array.from({ length: 21 }, (_, name) => new Someone(name))
      const line = new Line<Someone>()
      const model = new Set<number>()
      for (const { do: what, who } of steps) {
        if (what === "add") {
          line.add(everybody[who]!)
          model.add(who)
        } else {
          const leaving = what === "delete" ? who : ([...model][0] ?? who)
          expect(line.delete(everybody[leaving]!)).toBe(model.delete(leaving))
        }
        expect([line.size, line.first?.name, everybody[who]!.isInLine]).toEqual([
          model.size,
          [...model][0],
          model.has(who)
        ])
        expect(namesIn(line)).toEqual([...model])
      }
    })
  )
})

it("may lose whom it is looking at", () => {
  const line = new Line<Someone>()
  const everybody = [0, 1, 2, 3].map((name) => new Someone(name))
  for (const one of everybody) line.add(one)
  for (const one of line) if (one.name !== 2) line.delete(one)
  expect(namesIn(line)).toEqual([2])
})

it("holds nobody who has left, nor does one who has hold another", () => {
  const line = new Line<Someone>()
  const everybody = [0, 1, 2].map((name) => new Someone(name))
  for (const one of everybody) line.add(one)
  for (const one of everybody) line.delete(one)
  expect(line.first).toBeUndefined()
  for (const one of everybody) expect([one.before, one.after]).toEqual([undefined, undefined])
})
