/**
 * Measures the bars: `bun run bench` all of them, `bun run bench <name> …` some. Prints each one's table as it is done,
 * and keeps it in `results/`.
 *
 *     --rounds=N     rounds of each (7)
 *     --seconds=S    of one burst of load (3)
 *     --short        a fraction of a second of each: shows that it works, and measures nothing; kept nowhere
 *     --out=FOLDER   where it is kept, in place of `results/`
 */
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import { withoutBunsNode } from "../src/provision/findProgram.ts"
import type { Scale } from "./Bench.ts"
import { benches } from "./benches.ts"
import { keep, sectionOf, table } from "./report.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "3" },
    short: { type: "boolean", default: false },
    out: { type: "string", default: join(import.meta.dirname, "results") }
  }
})

// `bun run` puts a `node` of its own first, which is Bun: what is beside Irori is to run on the same Node.js as its workers.
process.env.PATH = withoutBunsNode(process.env.PATH ?? "")

const names = benches.map(({ name }) => name)
const stranger = positionals.find((name) => !names.includes(name))
if (stranger !== undefined) {
  console.error(`There is no benchmark '${stranger}': choose from ${names.join(", ")}.`)
  process.exit(2)
}

const scale: Scale = values.short
  ? { rounds: 1, seconds: 0.2, isShort: true }
  : { rounds: Number(values.rounds), seconds: Number(values.seconds), isShort: false }

let failed = false
for (const bench of benches) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue
  try {
    const section = sectionOf(bench, scale, await bench.run(scale))
    console.log(`\n${table(section)}`)
    if (!scale.isShort) keep(values.out, section, names)
  } catch (error) {
    failed = true
    console.error(`\n## ${bench.title}\n\nFAILED:`, error)
  }
}
process.exit(failed ? 1 : 0)
