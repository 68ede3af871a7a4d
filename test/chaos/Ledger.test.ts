import { describe, expect, it } from "vitest"
import { type Call, Ledger } from "./Ledger.ts"

const nothing = { containers: [], processes: [] }

const ledgerOf = (calls: ReadonlyArray<readonly [kind: string, sentMillis: number, endedMillis: number]>) => {
  const ledger = new Ledger()
  for (const [kind, sentMillis, endedMillis] of calls) {
    ledger.calls.push({ token: kind, kind, sentMillis, endedMillis } satisfies Call)
  }
  return ledger
}

const kill = (atMillis: number) => ({
  what: "kill",
  fromMillis: atMillis,
  toMillis: atMillis,
  explains: "one" as const
})

describe("the ledger of a chaos run", () => {
  it("is content with answers and with callers who left", () => {
    expect(
      ledgerOf([
        ["answered", 0, 10],
        ["left", 0, 5]
      ]).verdict(nothing)
    ).toEqual([])
  })

  it("is not content when nobody was answered", () => {
    expect(ledgerOf([["left", 0, 5]]).verdict(nothing)).toEqual(["no invocation was answered"])
  })

  it("lets a kill explain the failure of one invocation that was under way, and of one only", () => {
    const ledger = ledgerOf([
      ["answered", 0, 1],
      ["502", 0, 20],
      ["502", 5, 30],
      ["502", 11, 30]
    ])
    ledger.faults.push(kill(10))
    expect(ledger.unexplained().map(({ sentMillis }) => sentMillis)).toEqual([5, 11])
  })

  it("gives each of several failures a kill of its own where there is one", () => {
    const ledger = ledgerOf([
      ["502", 0, 20],
      ["502", 0, 40]
    ])
    ledger.faults.push(kill(30), kill(10))
    expect(ledger.unexplained()).toEqual([])
  })

  it("lets an outage explain all that met it, and nothing that came after", () => {
    const ledger = ledgerOf([
      ["502", 0, 20],
      ["502", 15, 40],
      ["502", 31, 40]
    ])
    ledger.faults.push({ what: "outage", fromMillis: 10, toMillis: 30, explains: "all" })
    expect(ledger.unexplained().map(({ sentMillis }) => sentMillis)).toEqual([31])
  })

  it("lets nothing explain a wrong answer, an invocation that hung, or what is left behind", () => {
    const ledger = ledgerOf([
      ["answered", 0, 1],
      ["wrong", 0, 1],
      ["hung", 0, 1]
    ])
    ledger.faults.push({ what: "outage", fromMillis: 0, toMillis: 30, explains: "all" })
    expect(ledger.verdict({ containers: ["c"], processes: ["7 sleep"] })).toEqual([
      "1 invocations hung",
      "1 answers went to the wrong caller",
      "left behind: container c",
      "left behind: process 7 sleep"
    ])
  })
})
