import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { handlers } from "../plugins/control/handlers.ts"
import { operations } from "../src/control/model/LambdaApi.ts"

const text = readFileSync(join(import.meta.dirname, "../docs/lambda-api.md"), "utf8")

/** Operation and level of every row. */
const rows = [...text.matchAll(/^\| (\w+) \| (yes|none there|no) \|/gm)].map(
  ([, name, level]) => [name!, level!] as const
)
const namesOf = (...levels: ReadonlyArray<string>) =>
  rows.flatMap(([name, level]) => (levels.includes(level) ? [name] : []))

/** Of the gateway, which has no table of its operations. */
const invoking = ["Invoke", "InvokeAsync", "InvokeWithResponseStream"]

describe("docs/lambda-api.md", () => {
  it("has a row for every operation of AWS's model, and no other", () => {
    expect(rows.map(([name]) => name)).toEqual([...operations.keys()].sort())
  })

  it("calls no operation unknown that there is, and none known that there is not", () => {
    expect(namesOf("yes", "none there")).toEqual([...Object.keys(handlers), ...invoking].sort())
  })

  it("does not count as had what only answers that there is none", () => {
    const without = Object.keys(handlers).filter((name) => /EventSourceMapping|CodeSigning/.test(name))
    expect(namesOf("none there")).toEqual(without.sort())
  })

  it("counts its rows", () => {
    for (const level of ["yes", "none there", "no"]) {
      expect(text).toContain(`| **${level}** (${namesOf(level).length}) |`)
    }
  })
})
