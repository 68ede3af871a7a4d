/** Lambda's Python runtimes: AWS's images, or this machine's Python with the bootstrap in `python/`. */
import { fileURLToPath } from "node:url"
import type { Runtime } from "./Runtime.ts"

const runtimeDir = fileURLToPath(new URL("./python", import.meta.url))
const bootstrap = fileURLToPath(new URL("./python/bootstrap.py", import.meta.url))

const layerModules = (version: string, layersPath: string | undefined): ReadonlyArray<string> =>
  layersPath === undefined ? [] : [`${layersPath}/python/lib/python${version}/site-packages`, `${layersPath}/python`]

const python = (version: string): Runtime => ({
  id: `python${version}`,
  baseImage: `public.ecr.aws/lambda/python:${version}`,
  executionEnvironment: `AWS_Lambda_python${version}`,
  process: {
    runtimeDir,
    programs: [`python${version}`, "python3"],
    locate: ["-c", "import sys; print(sys.executable)"],
    // -B: the code's folder is read-only to the function, so no compiled files appear in it.
    args: () => ["-B", bootstrap],
    environment: ({ layersPath }) => ({
      LC_CTYPE: "C.UTF-8",
      PYTHONPATH: [...layerModules(version, layersPath), runtimeDir].join(":")
    }),
    missing: `Neither python${version} nor python3 was found: install Python 3.9 or later, or put it on the PATH.`
  }
})

export const pythonRuntimes: ReadonlyArray<Runtime> = ["3.11", "3.12", "3.13", "3.14"].map(python)
