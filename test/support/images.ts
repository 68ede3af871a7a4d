/**
 * Images for tests, built from what this machine has and no registry. Tagged by the hash of their contents, so that
 * one that is there already is used again.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { engine, hasProgram, noDocker } from "./docker.ts"

/** An image's name, or why it cannot be had here. */
export type TestImage = { readonly name: string } | { readonly missing: string }

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const run = (program: string, ...args: ReadonlyArray<string>): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { maxBuffer: 1 << 30 })
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`)
  return stdout.toString()
}

const hashOf = (...parts: ReadonlyArray<string | Buffer>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest("hex").slice(0, 16)
}

/** This machine's Node.js. The `node` that `bun --bun` puts in front of the PATH is Bun. */
const nodeProgram = (): string | undefined => {
  const folders = (process.env.PATH ?? "").split(":").filter((folder) => !basename(folder).startsWith("bun-node-"))
  return folders
    .map((folder) => join(folder, "node"))
    .find((file) => existsSync(file) && !basename(realpathSync(file)).startsWith("bun"))
}

const isThere = async (name: string) => (await engine("GET", `/images/${name}/json`)).ok

/** Makes an image of a folder, unless one with this hash is there. `fill` is given an empty folder. */
const imageOf = async (
  repository: string,
  hash: string,
  changes: ReadonlyArray<string>,
  fill: (root: string) => void
): Promise<TestImage> => {
  const name = `irori-test/${repository}:${hash}`
  if (await isThere(name)) return { name }
  const root = mkdtempSync(join(tmpdir(), "irori-image-"))
  try {
    fill(root)
    const tar = spawnSync("tar", ["c", "-C", root, "--owner=0", "--group=0", "."], { maxBuffer: 1 << 30 }).stdout
    const query = new URLSearchParams({ fromSrc: "-", repo: `irori-test/${repository}`, tag: hash })
    for (const change of changes) query.append("changes", change)
    const answer = await engine("POST", `/images/create?${query}`, tar, "application/x-tar")
    const said = await answer.text()
    if (!answer.ok || !(await isThere(name))) throw new Error(`${name}: ${said}`)
    return { name }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** The function in `images/worker.c`: under a megabyte, ready in a millisecond; has the emulator's protocol too. */
export const workerImage = async (): Promise<TestImage> => {
  if (noDocker !== undefined) return { missing: noDocker }
  if (!hasProgram("gcc")) return { missing: "gcc is not installed" }
  const source = here("./images/worker.c")
  return imageOf("worker", hashOf(readFileSync(source)), ['ENTRYPOINT ["/worker"]'], (root) => {
    run("gcc", "-O2", "-static", "-pthread", "-o", join(root, "worker"), source)
  })
}

/** Copies a program and the shared libraries it needs. */
const installProgram = (root: string, program: string, to: string) => {
  const put = (from: string, at: string) => {
    mkdirSync(join(root, dirname(at)), { recursive: true })
    cpSync(realpathSync(from), join(root, at))
  }
  put(program, to)
  chmodSync(join(root, to), 0o755)
  const { stdout } = spawnSync("ldd", [realpathSync(program)])
  for (const [, library] of stdout.toString().matchAll(/(?:=> |^\s*)(\/\S+) \(/gm)) put(library!, library!)
}

const script = (root: string, path: string, text: string) => {
  mkdirSync(join(root, dirname(path)), { recursive: true })
  writeFileSync(join(root, path), text, { mode: 0o755 })
}

/** Called with the handler, as AWS's are. */
const entrypoint = `#!/bin/sh
[ $# -eq 1 ] || { echo "entrypoint requires the handler name to be the first argument" >&2; exit 142; }
export _HANDLER="$1"
exec /var/runtime/bootstrap
`

/** A base image that is put together like AWS's: this machine's Node.js and Irori's own runtime for it. */
export const nodeBaseImage = async (): Promise<TestImage> => {
  if (noDocker !== undefined) return { missing: noDocker }
  const node = nodeProgram()
  if (node === undefined) return { missing: "node is not installed" }
  const runtime = here("../../src/runtimes/node")
  const files = readdirSync(runtime).toSorted()
  const { size, mtimeMs } = statSync(realpathSync(node))
  const hash = hashOf(
    entrypoint,
    `${node} ${size} ${mtimeMs}`,
    ...files.map((file) => readFileSync(join(runtime, file)))
  )
  const changes = ['ENTRYPOINT ["/lambda-entrypoint.sh"]', "WORKDIR /var/task", "ENV PATH=/usr/bin:/bin"]
  return imageOf("node-base", hash, changes, (root) => {
    installProgram(root, node, "/usr/bin/node")
    installProgram(root, "/bin/sh", "/bin/sh")
    cpSync(runtime, join(root, "var/runtime"), { recursive: true })
    for (const folder of ["var/task", "tmp", "opt"]) mkdirSync(join(root, folder), { recursive: true })
    script(root, "/lambda-entrypoint.sh", entrypoint)
    script(root, "/var/runtime/bootstrap", "#!/bin/sh\nexec node /var/runtime/bootstrap.cjs\n")
  })
}

/** AWS's own runtime client, compiled here once and kept in the machine's folder for temporary files. */
export const ricImage = async (): Promise<TestImage> => {
  if (noDocker !== undefined) return { missing: noDocker }
  const cache = join(tmpdir(), "irori-test-cache", "aws-lambda-ric-4.0.2")
  const node = nodeProgram()
  if (node === undefined) return { missing: "node is not installed" }
  if (!existsSync(join(cache, "node_modules/aws-lambda-ric/rapid-client.node"))) {
    return { missing: `aws-lambda-ric 4.0.2 is not built: \`npm install --prefix ${cache} aws-lambda-ric@4.0.2\`` }
  }
  const { size, mtimeMs } = statSync(realpathSync(node))
  const handler = `export const handler = async (event, context) => {
  if (event.fail !== undefined) throw new Error(event.fail)
  return { event, requestId: context.awsRequestId }
}
`
  const changes = [
    'ENTRYPOINT ["/usr/bin/node", "/function/node_modules/aws-lambda-ric/index.mjs"]',
    'CMD ["index.handler"]',
    "WORKDIR /function"
  ]
  return imageOf("ric", hashOf("4.0.2", handler, `${node} ${size} ${mtimeMs}`), changes, (root) => {
    installProgram(root, node, "/usr/bin/node")
    cpSync(cache, join(root, "function"), { recursive: true })
    writeFileSync(join(root, "function/index.mjs"), handler)
    mkdirSync(join(root, "tmp"))
  })
}
