/** Lambda's OS-only runtimes: the code brings an executable `bootstrap` that speaks the Runtime API by itself. */
import type { Runtime } from "./Runtime.ts"

const provided = (system: string): Runtime => ({
  id: `provided.${system}`,
  baseImage: `public.ecr.aws/lambda/provided:${system}`,
  process: {
    // Lambda names this folder although it holds nothing here.
    runtimeDir: "/var/runtime",
    programs: [],
    locate: [],
    args: () => [],
    environment: () => ({}),
    missing: "Couldn't find valid bootstrap(s)"
  }
})

export const providedRuntimes: ReadonlyArray<Runtime> = ["al2023", "al2"].map(provided)
