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

describe("docs/features.md", () => {
  it("names a test in every row of its tables", () => {
    const rows = text("../docs/features.md").match(/^\| [\d–]+ \|/gm) ?? []
    expect(rows.length).toBeGreaterThan(60)
    expect(named).toHaveLength(rows.length)
  })

  it.each(named)("names a test that there is: %s › %s", (file, sentence) => {
    expect(text(file)).toContain(sentence)
  })
})
