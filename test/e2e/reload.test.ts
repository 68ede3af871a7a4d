/** The whole program, told to read its files again: the answer, the log and the health say the same. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { codeFolder } from "../support/codeFolder.ts"
import { start } from "../support/household.ts"
import type { Irori } from "../support/irori.ts"

const routes = (path: string) => `routes:\n  - { path: ${path}, method: GET, function: main }\n`

const { path: folder } = codeFolder({
  "main/index.mjs": "let calls = 0\nexport const handler = async () => ++calls",
  "routing.yml": routes("/a"),
  "functions.yml": "functions: { main: { timeout: 5 } }"
})
const headers = { "x-api-key": "0123456789abcdef" }

let irori: Irori
beforeAll(async () => {
  irori = await start({ IRORI_FUNCTIONS_DIR: folder, IRORI_API_KEY: headers["x-api-key"] })
})

const reload = async () => {
  const response = await fetch(`${irori.url}/irori/reload`, { method: "POST", headers })
  const body = (await response.json()) as { readonly problems: ReadonlyArray<{ readonly detail: string }> }
  return { status: response.status, problems: body.problems.map(({ detail }) => detail) }
}
const call = async (path: string) => {
  const response = await fetch(irori.url + path)
  return [response.status, await response.text()]
}

describe("a reload", () => {
  it("is done when calls go by what the files say, with the workers there are", async () => {
    expect(await call("/a")).toEqual([200, "1"])
    writeFileSync(join(folder, "routing.yml"), routes("/b"))
    writeFileSync(join(folder, "functions.yml"), "functions: { main: { timeout: 6 } }")
    expect(await reload()).toEqual({ status: 200, problems: [] })
    expect(await call("/b")).toEqual([200, "2"])
    expect((await call("/a"))[0]).toBe(404)
    const settings = await fetch(`${irori.url}/2015-03-31/functions/main/configuration`, { headers })
    expect(await settings.json()).toMatchObject({ Timeout: 6 })
  })

  it("of a broken file keeps what it said, and says so in its answer, in the log and at /health/ready", async () => {
    writeFileSync(join(folder, "routing.yml"), "routes: [")
    const { problems, status } = await reload()
    expect([status, problems]).toEqual([200, [expect.stringMatching(/routing\.yml:1:10: /)]])
    expect(await call("/b")).toEqual([200, "3"])
    expect(irori.output()).toContain(problems[0])
    const health = await fetch(`${irori.url}/health/ready`, { headers })
    expect(health.status).toBe(503)
    expect(await health.json()).toMatchObject({ problems: problems.map((detail) => ({ detail })) })

    writeFileSync(join(folder, "routing.yml"), routes("/b"))
    expect((await reload()).problems).toEqual([])
    expect((await fetch(`${irori.url}/health/ready`, { headers })).status).toBe(200)
  })

  it("is not for those without the key", async () => {
    expect((await fetch(`${irori.url}/irori/reload`, { method: "POST" })).status).toBe(403)
  })
})
