/** Every chaos run, one after the other: `bun test/chaos/all.ts [seconds of each] [seed]`. Two of them need root. */
import { main } from "./chaos.ts"
import { containers } from "./containers.ts"
import { disk } from "./disk.ts"
import { engine } from "./engine.ts"
import { processes } from "./processes.ts"

let code = 0
for (const [title, run] of Object.entries({ processes, containers, engine, disk })) {
  code = Math.max(code, await main(`Chaos: ${title}`, run))
}
process.exit(code)
