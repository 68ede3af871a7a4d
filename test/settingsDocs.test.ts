/** `docs/settings.md` beside `src/Config.ts`: each has every setting that the other has, with the same default. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const text = (path: string) => readFileSync(join(import.meta.dirname, "..", path), "utf8")

const source = text("src/Config.ts").split("export interface Settings")[0]!.split("const settings = Config.all({")[1]!

/** By variable, as the code has it: `Whole("NAME", 10)`. */
const read = new Map(
  [...source.matchAll(/(\w+)\("([A-Z][A-Z0-9_]+)"(?:, ([^\n]*))?|^ +"([A-Z][A-Z0-9_]+)"$/gm)].map(
    ([, kind = "", name, rest = "", alone]) => [name ?? alone!, { kind, rest }] as const
  )
)
// Of those whose name comes after what their value may be.
for (const [, name] of source.matchAll(/\), "([A-Z][A-Z0-9_]+)"\)/g)) read.set(name!, { kind: "", rest: "" })

const rows = new Map(
  [...text("docs/settings.md").matchAll(/^\| `([A-Z][A-Z0-9_]+)` \| (.*?) \| (.+) \|$/gm)].map(
    ([, name, fallback, meaning]) => [name!, { fallback: fallback!, meaning: meaning! }] as const
  )
)

/** The default as it is written in the code, where that is a plain value. */
const defaults = [...read].flatMap(([name, { kind, rest }]) => {
  const number = /^([\d_]+)[,)]/.exec(rest)?.[1]?.replaceAll("_", "")
  const word = /^(?:\w+, )?"([^"]*)"\)/.exec(rest)?.[1]
  if (kind === "Whole" && number !== undefined) return [[name, number] as const]
  if (kind === "Seconds" && number !== undefined)
    return name.includes("RETENTION") ? [] : [[name, `${number} s`] as const]
  if ((kind === "Text" || kind === "Choice") && word !== undefined)
    return [[name, word === "" ? "–" : `\`${word}\``] as const]
  return []
})

describe("docs/settings.md", () => {
  it("has every setting that there is, and no other", () => {
    expect([...rows.keys()].sort()).toEqual([...read.keys()].sort())
    expect(rows.size).toBeGreaterThan(70)
  })

  it.each(defaults)("says the default of %s: %s", (name, fallback) => {
    expect(rows.get(name)?.fallback).toBe(fallback)
  })

  it("says of each what it is for", () => {
    expect([...rows].filter(([, { meaning }]) => meaning.length < 10)).toEqual([])
    expect(defaults.length).toBeGreaterThan(40)
  })
})
