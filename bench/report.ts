/** The table of all that was measured: kept as JSON, row by row, and written out as markdown and as a plot. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus, release, totalmem } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { type Bench, median, outcomeOf, type Row, type Scale, type Skipped } from "./Bench.ts"
import { plot } from "./plot.ts"

/** One benchmark's rows, and how they came about. */
export interface Section {
  readonly name: string
  readonly title: string
  readonly measured: string
  readonly rows: ReadonlyArray<Row | Skipped>
}

export const machine = (): string => {
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  const runtime = process.versions.bun === undefined ? process.version : `Bun ${process.versions.bun}`
  return `${cpus()[0]?.model ?? "unknown CPU"}, ${availableParallelism()} cores that client, server and workers share with whatever else runs on the machine, ${gigabytes} GB, Linux ${release()}, ${runtime}`
}

const number = (value: number, digits: number): string => value.toFixed(digits)

const range = (values: ReadonlyArray<number> | undefined, { digits, unit }: Row): string =>
  values === undefined
    ? "–"
    : `${number(median(values), digits)} ${unit} (${number(Math.min(...values), digits)}–${number(Math.max(...values), digits)})`

export const barOf = (row: Row): string => {
  if (row.bar === undefined) return "–"
  const [sign, value] = "least" in row.bar ? ["≥", row.bar.least] : ["≤", row.bar.most]
  return row.theirs === undefined ? `${sign} ${value} ${row.unit}` : `${sign} ${value}`
}

const met = { true: "met", false: "**not met**", undefined: "–" }

const line = (row: Row | Skipped): string => {
  if ("skipped" in row) return `| ${row.what} | | | | | SKIPPED: ${row.skipped} |`
  const { isMet, least, most, value } = outcomeOf(row)
  const beside = row.against === undefined ? "–" : `${row.against}: ${range(row.theirs, row)}`
  const ratio = row.theirs === undefined ? "–" : `${number(value, 2)} (${number(least, 2)}–${number(most, 2)})`
  return `| ${row.what} | ${range(row.ours, row)} | ${beside} | ${ratio} | ${barOf(row)} | ${met[`${isMet}`]} |`
}

const head = "| what | Irori | beside it | ratio | bar | |\n| --- | --- | --- | --- | --- | --- |"

/** A benchmark's part of the report: a table, and under it what its rows' readers must know. */
export const table = ({ measured, rows, title }: Section): string => {
  const notes = rows.flatMap((row) => ("note" in row && row.note !== undefined ? [`- ${row.what}: ${row.note}`] : []))
  return [`## ${title}`, "", measured, "", head, ...rows.map(line), ...(notes.length > 0 ? ["", ...notes] : [])].join(
    "\n"
  )
}

export const sectionOf = ({ name, title }: Bench, scale: Scale, rows: Section["rows"]): Section => ({
  name,
  title,
  measured: `${scale.rounds} rounds${scale.isShort ? ", the short form: these numbers say nothing" : ""}, bursts of ${scale.seconds} s, ${new Date().toISOString().slice(0, 10)}.`,
  rows
})

const read = (file: string): ReadonlyArray<Section> =>
  existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<Section>) : []

/** Puts `section` in the place of what was measured of it before. `order` has every benchmark's name. */
export const keep = (folder: string, section: Section, order: ReadonlyArray<string>): void => {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, "results.json")
  const sections = [...read(file).filter(({ name }) => name !== section.name), section].toSorted(
    (a, b) => order.indexOf(a.name) - order.indexOf(b.name)
  )
  writeFileSync(file, `${JSON.stringify(sections, null, 1)}\n`)
  writeFileSync(join(folder, "results.md"), report(sections))
  writeFileSync(join(folder, "results.svg"), plot(sections.flatMap(({ rows }) => rows)))
}

const report = (sections: ReadonlyArray<Section>): string => `# Measured

${machine()}.

Each number is the median of its rounds, with the least and the most in parentheses; what is compared was measured in
turns (A B A B), and a ratio is the median of the rounds' ratios. \`bun run bench\` measures all of it again,
\`bun run bench <name>\` one part.

![each bar's ratio to its limit](results.svg)

${sections.map(table).join("\n\n")}
`
