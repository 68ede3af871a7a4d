/** Every runtime there is, by Lambda's identifier. A new one is a value in a file of its own and a line here. */
import { nodeRuntimes } from "./node.ts"
import { providedRuntimes } from "./provided.ts"
import { pythonRuntimes } from "./python.ts"
import type { Runtime } from "./Runtime.ts"

export const runtimes: ReadonlyMap<string, Runtime> = new Map(
  [...nodeRuntimes, ...pythonRuntimes, ...providedRuntimes].map((runtime) => [runtime.id, runtime])
)
