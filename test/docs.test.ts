import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const text = (path: string): string => {
  const file = join(import.meta.dirname, path)
  return existsSync(file) ? readFileSync(file, "utf8") : ""
}

/** `file › sentence` of every row. */
const named = [...text("../docs/features.md").matchAll(/\| `([\w/.]+)` › (.+?) \|$/gm)].map(
  ([, file, sentence]) => [file!, sentence!] as const
)

const rows = text("../docs/features.md").match(/^\| [\d–]+ \|.*$/gm) ?? []
/** What there is not, which no test can show. */
const absent = rows.filter((row) => /^\| \d+ \| [^|]+ \| (no|not needed): [^|]+ \| – \|$/.test(row))

describe("docs/features.md", () => {
  it("names a test in every row of its tables, but where it says that there is no such feature", () => {
    expect(rows.length).toBeGreaterThan(60)
    expect(named).toHaveLength(rows.length - absent.length)
  })

  it("has each row of the front door and of the tools", () => {
    const numbers = new Set(rows.map((row) => Number(/^\| (\d+)/.exec(row)?.[1])))
    const wanted = [
      ...Array.from({ length: 52 }, (_, at) => at + 1),
      ...Array.from({ length: 18 }, (_, at) => at + 142)
    ]
    expect(wanted.filter((number) => !numbers.has(number))).toEqual([])
  })

  it.each(named)("names a test that there is: %s › %s", (file, sentence) => {
    expect(text(file)).toContain(sentence)
  })
})
