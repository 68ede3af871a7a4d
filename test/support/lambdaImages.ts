/**
 * The Node.js functions of `lambdas/` as container images, each with its handler as the image's command: on a base like
 * AWS's, with an emulator beside the runtime, and on AWS's own runtime client. Layers over the images of `images.ts`.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { engine } from "./docker.ts"
import { nodeBaseImage, ricImage, type TestImage } from "./images.ts"
import { lambdas } from "./lambdas.ts"

/** One image for each of the three handlers, or why there is none here. */
export type LambdaImages = { readonly names: ImageNames } | { readonly missing: string }

export interface ImageNames {
  readonly working: string
  readonly broken: string
  readonly nowhere: string
}

const handlers = { working: "index.handler", broken: "broken.handler", nowhere: "index.nowhere" }

const code = join(lambdas, "node")
const emulator = join(import.meta.dirname, "images/emulator.mjs")

/** As AWS's: where nobody serves the Runtime API, the emulator does. */
const entrypoint = `#!/bin/sh
export _HANDLER="$1"
if [ -z "$AWS_LAMBDA_RUNTIME_API" ]; then exec node /emulator.mjs /var/runtime/bootstrap; fi
exec /var/runtime/bootstrap
`

/** With and without an emulator's protocol, by the variables it is started with. */
export const nodeImages = async (): Promise<LambdaImages> =>
  layered("lambda", await nodeBaseImage(), [
    "COPY node /var/task",
    "COPY emulator.mjs /emulator.mjs",
    "COPY lambda-entrypoint.sh /lambda-entrypoint.sh"
  ])

export const ricImages = async (): Promise<LambdaImages> =>
  layered("lambda-ric", await ricImage(), ["COPY node /function"])

/** The image with an extension in it. */
export const imageWithExtension = async (base: string, name: string, program: string): Promise<TestImage> => {
  const context = mkdtempSync(join(tmpdir(), "irori-context-"))
  try {
    writeFileSync(join(context, name), program)
    chmodSync(join(context, name), 0o755)
    const tag = createHash("sha256").update([base, name, program].join("\n")).digest("hex").slice(0, 16)
    const image = `irori-test/lambda-extended:${tag}`
    await build(image, context, [`FROM ${base}`, `COPY ${name} /opt/extensions/${name}`])
    return { name: image }
  } finally {
    rmSync(context, { recursive: true, force: true })
  }
}

const layered = async (repository: string, base: TestImage, steps: ReadonlyArray<string>): Promise<LambdaImages> => {
  if ("missing" in base) return base
  const context = mkdtempSync(join(tmpdir(), "irori-context-"))
  try {
    cpSync(code, join(context, "node"), { recursive: true })
    cpSync(emulator, join(context, "emulator.mjs"))
    writeFileSync(join(context, "lambda-entrypoint.sh"), entrypoint)
    chmodSync(join(context, "lambda-entrypoint.sh"), 0o755)
    const hash = createHash("sha256").update([base.name, ...steps, entrypoint, readFileSync(emulator)].join("\n"))
    for (const file of readdirSync(code).toSorted()) hash.update(readFileSync(join(code, file)))
    const tag = hash.digest("hex").slice(0, 16)
    const names = { working: "", broken: "", nowhere: "" }
    for (const [kind, handler] of Object.entries(handlers)) {
      const name = `irori-test/${repository}-${kind}:${tag}`
      await build(name, context, [`FROM ${base.name}`, ...steps, `CMD ["${handler}"]`])
      names[kind as keyof ImageNames] = name
    }
    return { names }
  } finally {
    rmSync(context, { recursive: true, force: true })
  }
}

/** Unless it is there: its name says what it is made from. */
const build = async (name: string, context: string, dockerfile: ReadonlyArray<string>): Promise<void> => {
  if ((await engine("GET", `/images/${name}/json`)).ok) return
  writeFileSync(join(context, "Dockerfile"), dockerfile.join("\n"))
  const tar = spawnSync("tar", ["c", "-C", context, "--owner=0", "--group=0", "."], { maxBuffer: 1 << 30 }).stdout
  const answer = await engine("POST", `/build?t=${name}&rm=1&forcerm=1`, new Uint8Array(tar), "application/x-tar")
  const said = await answer.text()
  if (!answer.ok || said.includes('"error"')) throw new Error(`${name}: ${said}`)
}
