/** HTTPS from outside: the whole program with a certificate of its own, on Bun and on Deno. */
import { readFileSync, statSync } from "node:fs"
import { request } from "node:https"
import { describe, expect, it } from "vitest"
import { denoCommand } from "../support/deno.ts"
import { newStateDir, start } from "../support/household.ts"
import { failToStart, root } from "../support/irori.ts"
import { lambdas } from "../support/lambdas.ts"

const runtimes = [
  ["Bun", undefined],
  ["Deno", denoCommand]
] as const

const call = (url: string, ca: string, body: string, headers: Readonly<Record<string, string>> = {}) =>
  new Promise<{ readonly status: number | undefined; readonly body: string }>((resolve, reject) => {
    const sent = request(url, { method: "POST", ca, headers }, (answer) => {
      let text = ""
      answer.on("data", (chunk) => {
        text += chunk
      })
      answer.on("end", () => resolve({ status: answer.statusCode, body: text }))
    })
    sent.on("error", reject)
    sent.end(body)
  })

describe.each(runtimes)("IRORI_TLS=development on %s", (name, command) => {
  if (name === "Deno" && command === undefined) {
    it.skip("is not tested here: the package `deno` is not installed")
    return
  }

  it("serves HTTPS with a certificate that is kept, and says how to trust it", { timeout: 60_000 }, async () => {
    const stateDir = newStateDir()
    const environment = { IRORI_TLS: "development", IRORI_FUNCTIONS_DIR: lambdas, DENO_NO_UPDATE_CHECK: "1" }
    const options = { stateDir, ...(command === undefined ? {} : { command }) }
    const certificates: Array<string> = []
    for (let life = 0; life < 2; life++) {
      const irori = await start(environment, options)
      const path = `${stateDir}/tls/certificate.pem`
      expect(irori.output()).toContain(`  ${path}`)
      expect(irori.output()).toContain(`--cacert ${path} https://127.0.0.1:`)
      expect(statSync(`${stateDir}/tls/key.pem`).mode & 0o777).toBe(0o600)
      const ca = readFileSync(path, "utf8")
      certificates.push(ca)
      const answer = await call(`${irori.url}/2015-03-31/functions/node/invocations`, ca, '{"hello":"world"}')
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body).event).toEqual({ hello: "world" })
      expect(await irori.stop()).toBe(0)
    }
    expect(certificates[1]).toBe(certificates[0])
  })
})

describe("a certificate of files", () => {
  it("that cannot be used stops the start with one line", async () => {
    const environment = { IRORI_TLS_CERT: `${root}/README.md`, IRORI_TLS_KEY: `${root}/README.md` }
    const { code, output } = await failToStart({ environment })
    expect(code).toBe(1)
    expect(output).toMatch(/^irori: The certificate .*README\.md with the key .*README\.md cannot be used: [^\n]+\n$/)
  })
})
