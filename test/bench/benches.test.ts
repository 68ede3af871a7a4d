import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import { outcomeOf, type Row } from "../../bench/Bench.ts"
import { keep, sectionOf } from "../../bench/report.ts"
import { root } from "../support/irori.ts"

/** What the short form of a benchmark prints; that of the whole program, as a person starts it. */
const short = (name: string): Promise<{ readonly code: number | null; readonly output: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["bench/run.ts", "--short", name], { cwd: root })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)))
    child.on("exit", (code) => resolve({ code, output }))
  })

// Not peers: it installs packages.
it.each([
  "warm",
  "half-load",
  "rie",
  "routed",
  "growth",
  "payload",
  "pool",
  "cold-start",
  "memory",
  "events",
  "overload"
])(
  "the short form of %s measures and prints its rows",
  async (name) => {
    const { code, output } = await short(name)
    expect(output).not.toContain("FAILED")
    const rows = output.split("\n").filter((line) => /^\| .* \|( met| \*\*not met\*\*| –| SKIPPED: .*) \|$/.test(line))
    expect(rows, output).not.toEqual([])
    expect(code).toBe(0)
  },
  90_000
)

it("a benchmark that there is not is refused with the names of those that there are", async () => {
  const { code, output } = await short("nonsense")
  expect(code).toBe(2)
  expect(output).toContain("warm, half-load, rie")
})

const row: Row = {
  what: "speed",
  against: "the bare loop",
  unit: "/s",
  digits: 0,
  ours: [8, 9, 30],
  theirs: [10, 10, 10]
}

it("a ratio is the median of those of the rounds", () => {
  expect(outcomeOf({ ...row, bar: { least: 0.85 } })).toEqual({ value: 0.9, least: 0.8, most: 3, isMet: true })
  expect(outcomeOf({ ...row, bar: { most: 0.85 } }).isMet).toBe(false)
  expect(outcomeOf({ what: "time", unit: "ms", digits: 0, ours: [3, 1, 2], bar: { most: 2 } }).isMet).toBe(true)
  expect(outcomeOf(row).isMet).toBeUndefined()
})

it("a benchmark that is measured again takes the place of what was kept of it", () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-bench-results-"))
  const [first, second] = ["first", "second"].map((name) => ({ name, title: `The ${name}`, run: async () => [] }))
  const scale = { rounds: 3, seconds: 1, isShort: false }
  try {
    for (const [bench, rows] of [
      [second!, [{ ...row, bar: { least: 5 } }]],
      [first!, [{ what: "another", skipped: "there is no engine" }]],
      [second!, [{ ...row, bar: { least: 0.85 } }]]
    ] as const) {
      keep(folder, sectionOf(bench, scale, rows), ["first", "second"])
    }
    const text = readFileSync(join(folder, "results.md"), "utf8")
    expect(text.indexOf("## The first")).toBeLessThan(text.indexOf("## The second"))
    expect(text).toContain("| another | | | | | SKIPPED: there is no engine |")
    expect(text).toContain("| speed | 9 /s (8–30) | the bare loop: 10 /s (10–10) | 0.90 (0.80–3.00) | ≥ 0.85 | met |")
    expect(text).not.toContain("≥ 5")
    expect(readFileSync(join(folder, "results.svg"), "utf8")).toContain("0.90 (≥ 0.85)")
  } finally {
    rmSync(folder, { recursive: true })
  }
})
