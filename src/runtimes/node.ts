/** Lambda's Node.js runtimes: AWS's images, or this machine's Node.js or Bun with the bootstrap in `node/`. */
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import type { Runtime } from "./Runtime.ts"

const runtimeDir = fileURLToPath(new URL("./node", import.meta.url))
const bootstrap = fileURLToPath(new URL("./node/bootstrap.cjs", import.meta.url))

/** Bun would take settings and variables from files beside the code, and install packages that are missing. */
const bunArgs = ["--no-install", "--no-env-file", "--config=/dev/null", bootstrap]

const layerModules = (version: number, layersPath: string | undefined): ReadonlyArray<string> =>
  layersPath === undefined
    ? []
    : [`${layersPath}/nodejs/node${version}/node_modules`, `${layersPath}/nodejs/node_modules`]

const node = (version: number): Runtime => ({
  id: `nodejs${version}.x`,
  baseImage: `public.ecr.aws/lambda/nodejs:${version}`,
  executionEnvironment: `AWS_Lambda_nodejs${version}.x`,
  process: {
    runtimeDir,
    programs: ["node", "bun"],
    locate: ["-p", "process.execPath"],
    // Bun has no such limit.
    args: (program, { memoryMegabytes }) =>
      basename(program).startsWith("bun") ? bunArgs : [`--max-old-space-size=${memoryMegabytes}`, bootstrap],
    environment: ({ layersPath, taskRoot }) => ({
      NODE_PATH: [...layerModules(version, layersPath), `${taskRoot}/node_modules`, taskRoot].join(":")
    }),
    takesSocket: true,
    missing: "Neither node nor bun was found: install Node.js (nodejs.org) or Bun (bun.sh), or put it on the PATH."
  }
})

/** Which Node.js runs them is the machine's: `nodejs22.x` names what Lambda would run. */
export const nodeRuntimes: ReadonlyArray<Runtime> = [20, 22, 24].map(node)
