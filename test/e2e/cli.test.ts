/** The program `irori` as a person uses it: one process a command, beside an Irori that runs. */
import { spawn } from "node:child_process"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { beforeAll, describe, expect, it } from "vitest"
import { codeFolder } from "../support/codeFolder.ts"
import { newStateDir, start } from "../support/household.ts"
import { type Irori, root } from "../support/irori.ts"

const { path: folder } = codeFolder({
  "greet/index.mjs":
    'export const handler = async (event) => { console.log("greeting"); if (event.fail) throw new Error("no"); return "hello ".concat(event.name ?? "you") }',
  "functions.yml": "functions:\n  greet: { timeout: 5, memory_size: 256 }\n  boxed: { image: 'my-box:1' }\n",
  "boxed/Dockerfile": "FROM scratch\n",
  "event.json": '{"name":"Ada"}'
})
const { path: templateFolder } = codeFolder({
  "template.yaml": `Transform: AWS::Serverless-2016-10-31
Resources:
  Drawn:
    Type: AWS::Serverless::Function
    Properties: { PackageType: Image }
    Metadata: { Dockerfile: Dockerfile.prod, DockerContext: ./app, DockerTag: v1, DockerBuildArgs: { STAGE: a b } }
`
})
/** In place of the real one: writes down what it was called with, and fails where it is told to. */
const { path: programs } = codeFolder({ docker: '#!/bin/sh\necho "$@" >> "$0.calls"\n[ ! -e "$0.fails" ]\n' })
chmodSync(join(programs, "docker"), 0o755)

const key = "0123456789abcdef"
const stateDir = newStateDir()
let irori: Irori
let port = ""
beforeAll(async () => {
  irori = await start({ IRORI_FUNCTIONS_DIR: folder, IRORI_API_KEY: key }, { stateDir })
  port = new URL(irori.url).port
})

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

const run = (args: ReadonlyArray<string>, environment: Record<string, string> = {}, input = "") =>
  new Promise<Ran>((done) => {
    const child = spawn(process.execPath, ["src/cli/irori.ts", ...args], {
      cwd: root,
      env: {
        PATH: `${programs}:${process.env.PATH}`,
        IRORI_STATE_DIR: stateDir,
        IRORI_PORT: port,
        IRORI_API_KEY: key,
        IRORI_FUNCTIONS_DIR: folder,
        ...environment
      }
    })
    const heard = { out: "", error: "" }
    child.stdout.on("data", (piece) => {
      heard.out += String(piece)
    })
    child.stderr.on("data", (piece) => {
      heard.error += String(piece)
    })
    child.stdin.end(input)
    child.on("close", (code) => done({ code, ...heard }))
  })

describe("irori", () => {
  it("says what there is, and what is no command", async () => {
    const help = await run(["--help"])
    expect(help.code).toBe(0)
    for (const name of ["serve", "invoke", "ps", "reload", "build", "down"]) expect(help.out).toContain(`irori ${name}`)
    expect(await run(["nonsense"])).toMatchObject({ code: 1, error: expect.stringContaining("no command 'nonsense'") })
    expect(await run(["invoke"])).toMatchObject({ code: 1, error: expect.stringContaining("Usage: irori invoke") })
    expect((await run(["ps", "--nonsense"])).code).toBe(1)
  })
})

describe("irori invoke", () => {
  it("prints the answer, to an event that is typed, in a file, or comes in", async () => {
    expect(await run(["invoke", "greet"])).toEqual({ code: 0, out: '"hello you"\n', error: "" })
    expect((await run(["invoke", "greet", '{"name":"Bo"}'])).out).toBe('"hello Bo"\n')
    expect((await run(["invoke", "greet", `@${join(folder, "event.json")}`])).out).toBe('"hello Ada"\n')
    expect((await run(["invoke", "greet", "-"], {}, '{"name":"Cy"}')).out).toBe('"hello Cy"\n')
  })

  it("shows the end of the log where it is asked for, and fails as the function does", async () => {
    const failed = await run(["invoke", "greet", '{"fail":true}', "--tail"])
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.out)).toMatchObject({ errorMessage: "no" })
    expect(failed.error).toMatch(/greeting[\s\S]*REPORT RequestId[\s\S]*irori: the function failed/)
  })

  it("does not wait for an event", async () => {
    expect(await run(["invoke", "greet", "{}", "--event"])).toEqual({ code: 0, out: "", error: "" })
  })

  it("says in one line what has refused it, or that nobody answers", async () => {
    expect((await run(["invoke", "nobody"])).error).toMatch(/^irori: 404: .*Function not found.*\n$/)
    expect((await run(["invoke", "greet"], { IRORI_API_KEY: "another-key-of-16" })).error).toMatch(/^irori: 403: .*\n$/)
    expect((await run(["invoke", "greet", "--url", "http://127.0.0.1:1"])).error).toMatch(
      /^irori: No Irori answers at http:\/\/127\.0\.0\.1:1: .*\n$/
    )
  })
})

describe("irori ps", () => {
  it("lists functions with their workers", async () => {
    const { code, out } = await run(["ps"])
    expect(code).toBe(0)
    expect(out).toMatch(/^FUNCTION +RUNTIME +MEMORY +TIMEOUT +WORKERS\n/)
    expect(out).toMatch(/^greet +nodejs22\.x +256 MB +5 s +1$/m)
    expect(out).toMatch(/^boxed +image +128 MB +3 s +0$/m)
    expect(out).toMatch(/^\S+ +greet +RUNNING +\d+ MB +\d+\.\d s$/m)
  })
})

describe("irori reload", () => {
  it("prints what has changed or is wrong", async () => {
    expect(await run(["reload"])).toEqual({ code: 0, out: "", error: "" })
    const text = readFileSync(join(folder, "functions.yml"), "utf8")
    writeFileSync(join(folder, "functions.yml"), "functions: [")
    expect(await run(["reload"])).toMatchObject({
      code: 1,
      error: expect.stringMatching(/^irori: .*functions\.yml:1:13: /)
    })
    writeFileSync(join(folder, "functions.yml"), text)
    expect((await run(["reload"])).code).toBe(0)
  })
})

describe("irori build", () => {
  const calls = () => readFileSync(join(programs, "docker.calls"), "utf8")

  it("shows what it would do, of functions.yml and of a template, and does nothing", async () => {
    const { code, out } = await run(["build", "--dry-run"], { IRORI_TEMPLATE: join(templateFolder, "template.yaml") })
    expect(code).toBe(0)
    expect(out).toBe(
      `docker build --tag my-box:1 --file ${folder}/boxed/Dockerfile ${folder}/boxed\n` +
        `docker build --tag drawn:v1 --file ${templateFolder}/app/Dockerfile.prod --build-arg 'STAGE=a b' ${templateFolder}/app\n`
    )
    expect(calls).toThrow()
  })

  it("builds, and stops at the first image that cannot be", async () => {
    expect((await run(["build"])).code).toBe(0)
    expect(calls()).toBe(`build --tag my-box:1 --file ${folder}/boxed/Dockerfile ${folder}/boxed\n`)
    writeFileSync(join(programs, "docker.fails"), "")
    expect(await run(["build"], { IRORI_TEMPLATE: join(templateFolder, "template.yaml") })).toMatchObject({
      code: 1,
      error: "irori: my-box:1 was not built\n"
    })
    expect(calls().split("\n")).toHaveLength(3)
  })

  it("says that there is nothing to build, and why a template cannot be read", async () => {
    const empty = codeFolder({}).path
    expect((await run(["build"], { IRORI_FUNCTIONS_DIR: empty })).error).toMatch(/nothing to build/)
    const missing = await run(["build"], { IRORI_FUNCTIONS_DIR: empty, IRORI_TEMPLATE: join(empty, "none.yaml") })
    expect(missing).toMatchObject({ code: 1, error: expect.stringMatching(/none\.yaml cannot be read/) })
  })
})

describe("irori down", () => {
  it("ends the Irori of the state folder, and no other", async () => {
    const other = await run(["down"], { IRORI_STATE_DIR: newStateDir() })
    expect(other).toMatchObject({ code: 1, error: expect.stringMatching(/^irori: No Irori works in the state folder/) })
    expect((await fetch(`${irori.url}/health`)).status).toBe(200)
    expect(await run(["down"])).toEqual({ code: 0, out: `Process ${irori.pid} has ended\n`, error: "" })
    await expect(fetch(`${irori.url}/health`)).rejects.toThrow()
    expect((await run(["down"])).code).toBe(1)
  })

  it("of one that `irori serve` has started, too", async () => {
    const dir = newStateDir()
    const serving = run(["serve"], { IRORI_STATE_DIR: dir, IRORI_PORT: "0", IRORI_PROVISIONER: "process" })
    await expect.poll(async () => (await run(["down"], { IRORI_STATE_DIR: dir })).code, { timeout: 15_000 }).toBe(0)
    expect((await serving).code).toBe(0)
  })
})
