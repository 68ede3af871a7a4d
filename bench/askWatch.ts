/** Asks a server that was started with `watch.ts` what it saw since it was last asked. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Watched } from "./watch.ts"

export const watchProgram = join(import.meta.dirname, "watch.ts")

/** `file` is the server's `BENCH_WATCH`. */
export const askWatch = async (file: string): Promise<Watched> => {
  rmSync(`${file}.json`, { force: true })
  writeFileSync(file, "")
  for (let tries = 0; tries < 2000; tries++) {
    await new Promise((next) => setTimeout(next, 10))
    if (existsSync(`${file}.json`)) {
      const text = readFileSync(`${file}.json`, "utf8")
      if (text.endsWith("}")) return JSON.parse(text) as Watched
    }
  }
  throw new Error("the server did not say what it saw")
}
