/** Every chaos run, one after the other: `bun test/chaos/all.ts [seconds of each] [seed]`. Three of them need root. */
import { adoption } from "./adoption.ts"
import { main } from "./chaos.ts"
import { containers } from "./containers.ts"
import { disk } from "./disk.ts"
import { engine } from "./engine.ts"
import { processes } from "./processes.ts"
import { stateFolder } from "./stateFolder.ts"
import { twoProcesses } from "./twoProcesses.ts"

let code = 0
for (const [title, run] of Object.entries({
  processes,
  twoProcesses,
  stateFolder,
  containers,
  adoption,
  engine,
  disk
})) {
  code = Math.max(code, await main(`Chaos: ${title}`, run))
}
process.exit(code)
