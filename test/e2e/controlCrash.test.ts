import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, it } from "vitest"
import { type Irori, startIrori } from "../support/irori.ts"
import { zip } from "../support/zip.ts"

const scratch = mkdtempSync(join(tmpdir(), "irori-crash-"))
const stateDir = join(scratch, "state")
const functionsDir = join(scratch, "functions")
mkdirSync(functionsDir)
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const start = () => startIrori({ stateDir, environment: { IRORI_FUNCTIONS_DIR: functionsDir } })
const codeOf = (text: string) => `export const handler = async () => ${JSON.stringify(text)}\n`

/** What each function may answer: what was acknowledged last, and what was under way when the process was killed. */
const promised = new Map<string, { readonly acknowledged?: string; readonly underway?: string }>()

const send = async (irori: Irori, method: string, path: string, body: object): Promise<boolean> => {
  const response = await fetch(`${irori.url}/2015-03-31/functions${path}`, { method, body: JSON.stringify(body) })
  await response.text()
  return response.ok
}

/** Creates a function or changes its code, whichever it is time for; resolves false when the process is gone. */
const put = async (irori: Irori, name: string, text: string): Promise<boolean> => {
  const before = promised.get(name)
  const { acknowledged } = before ?? {}
  promised.set(name, { ...before, underway: text })
  // Several files: the more there is to write, the more can be left half written.
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`lib/${index}.mjs`, codeOf(text)]))
  const ZipFile = (await zip({ ...many, "index.mjs": codeOf(text) })).toString("base64")
  const creation = { FunctionName: name, Role: "arn:aws:iam::000000000000:role/r", Runtime: "nodejs22.x" }
  try {
    const update = () => send(irori, "PUT", `/${name}/code`, { ZipFile })
    const create = () => send(irori, "POST", "", { ...creation, Handler: "index.handler", Code: { ZipFile } })
    // One whose creation was under way may be there or not.
    const done =
      acknowledged !== undefined ? await update() : (await create()) || (before !== undefined && (await update()))
    expect(done).toBe(true)
    promised.set(name, { acknowledged: text })
    return true
  } catch (error) {
    if (error instanceof TypeError || (error instanceof Error && "code" in error)) return false
    throw error
  }
}

it("keeps whole what it has acknowledged, whenever it is killed", { timeout: 60_000 }, async () => {
  for (const [round, killAfter] of [5, 12, 8].entries()) {
    const irori = await start()
    let acknowledged = 0
    let isKilled = false
    await Promise.all(
      ["a", "b", "c"].map(async (loop) => {
        for (let turn = 0; !isKilled; turn++) {
          const name = turn % 2 === 0 ? loop : `${loop}-${round}-${turn}`
          if (!(await put(irori, name, `${name} ${round} ${turn}`))) return
          if (++acknowledged !== killAfter) continue
          // The other two are in the middle of something.
          isKilled = true
          await irori.stop("SIGKILL")
        }
      })
    )
    expect(acknowledged).toBeGreaterThanOrEqual(killAfter)
  }

  const irori = await start()
  const functions = `${irori.url}/2015-03-31/functions`
  expect(readdirSync(join(stateDir, "code")).filter((name) => name.startsWith("tmp-"))).toEqual([])
  const seen = new Map<string, string>()
  for (const [name, { acknowledged, underway }] of promised) {
    const response = await fetch(`${functions}/${name}/configuration`)
    if (acknowledged === undefined && response.status === 404) continue
    expect(response.status, name).toBe(200)
    const configuration = (await response.json()) as { readonly CodeSha256: string }
    expect(configuration).toMatchObject({ State: "Active", LastUpdateStatus: "Successful" })
    const folder = join(stateDir, "code", Buffer.from(configuration.CodeSha256, "base64").toString("hex"))
    const text = readFileSync(join(folder, "index.mjs"), "utf8")
    expect([acknowledged, underway].flatMap((known) => (known === undefined ? [] : [codeOf(known)]))).toContain(text)
    for (const file of readdirSync(join(folder, "lib")))
      expect(readFileSync(join(folder, "lib", file), "utf8")).toBe(text)
    expect(readdirSync(join(folder, "lib"))).toHaveLength(20)
    seen.set(name, text)
  }
  const listed = (await (await fetch(functions)).json()) as {
    readonly Functions: ReadonlyArray<{ FunctionName: string }>
  }
  expect(listed.Functions.map(({ FunctionName }) => FunctionName)).toEqual([...seen.keys()].sort())
  for (const name of ["a", "b", "c"]) {
    const answer = await fetch(`${functions}/${name}/invocations`, { method: "POST", body: "{}" })
    expect(codeOf((await answer.json()) as string)).toBe(seen.get(name))
  }
  await irori.stop()
})
