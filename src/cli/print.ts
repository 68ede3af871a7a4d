/** What commands write. */
import process from "node:process"
import { Effect } from "effect"

export const print = (line: string | Uint8Array): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stdout.write(line)
    process.stdout.write("\n")
  })

/** Beside the answer. */
export const printAside = (line: string): Effect.Effect<void> =>
  Effect.sync(() => void process.stderr.write(`${line}\n`))

/** Columns as wide as what is in them; the first row is their names. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
