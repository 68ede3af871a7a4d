import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { failToStart, type Irori, startIrori } from "../support/irori.ts"
import { childrenOf, isRunning } from "../support/processes.ts"

const scratch = mkdtempSync(join(tmpdir(), "irori-start-"))
afterAll(() => rmSync(scratch, { recursive: true }))

const invoke = (irori: Irori, name: string, body = "{}") =>
  fetch(`${irori.url}/2015-03-31/functions/${name}/invocations`, { method: "POST", body })

/** One line for a person: no stack, nothing half-started. */
const refusal = async (environment: Record<string, string>) => {
  const { code, output } = await failToStart({ environment })
  expect(code).toBe(1)
  expect(output).not.toMatch(/^\s+at /m)
  expect(output.trim().split("\n")).toHaveLength(1)
  return output
}

describe("the start", () => {
  it("says where it listens, what there is, who runs it and how to try it", async () => {
    const irori = await startIrori()
    const [, command] = await irori.wrote(/^ {2}(curl .*)$/m)
    expect(irori.output()).toMatch(/echo +nodejs22\.x +process/)
    expect(irori.output()).toMatch(/IRORI_PROVISIONER is process/)
    expect(command).toContain(`${irori.url}/2015-03-31/functions/echo/invocations`)
    expect(await irori.stop()).toBe(0)
  })

  it("writes its log as JSON, one object a line, in production", async () => {
    const irori = await startIrori({ environment: { NODE_ENV: "production" } })
    await invoke(irori, "echo")
    await irori.wrote(/"status":200/)
    await irori.stop()
    const lines = irori
      .output()
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line))
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: "INFO",
        message: "POST /2015-03-31/functions/echo/invocations 200",
        method: "POST",
        path: "/2015-03-31/functions/echo/invocations",
        status: 200,
        client_ip: "127.0.0.1",
        latency_ms: expect.any(Number),
        trace_id: expect.stringMatching(/^1-[0-9a-f]{8}-[0-9a-f]{24}$/),
        _time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/)
      })
    )
  })

  it("stops at a port in use", async () => {
    const squatter = createServer()
    const port = await new Promise<number>((listening) =>
      squatter.listen(0, "127.0.0.1", () => {
        const address = squatter.address()
        listening(typeof address === "object" && address !== null ? address.port : 0)
      })
    )
    expect(await refusal({ IRORI_PORT: String(port) })).toMatch(`Port ${port} is in use`)
    squatter.close()
  })

  it("stops at a misspelt provisioner with the list of those there are", async () => {
    expect(await refusal({ IRORI_PROVISIONER: "dokcer" })).toMatch("choose one of auto, docker, process")
  })

  it("stops where Docker is asked for and does not answer", async () => {
    const environment = { IRORI_PROVISIONER: "docker", DOCKER_HOST: `unix://${scratch}/none.sock` }
    expect(await refusal(environment)).toMatch(/IRORI_PROVISIONER=docker needs a Docker engine/)
  })

  it("does not listen to other machines without a key", async () => {
    expect(await refusal({ IRORI_HOST: "0.0.0.0" })).toMatch("set IRORI_API_KEY")
  })

  it("stops at a state folder that another one uses", async () => {
    const stateDir = mkdtempSync(join(scratch, "state-"))
    const first = await startIrori({ stateDir })
    const second = await failToStart({ stateDir })
    expect(second.code).toBe(1)
    expect(second.output).toMatch(/Another Irori gateway is using the state folder/)
    await first.stop()
  })

  it("serves with a functions.yml that does not parse, and says where it is broken", async () => {
    const functions = mkdtempSync(join(scratch, "broken-"))
    writeFileSync(join(functions, "functions.yml"), "functions:\n  echo: {timeout: 3\n")
    const irori = await startIrori({ environment: { IRORI_FUNCTIONS_DIR: functions } })
    const ready = await fetch(`${irori.url}/health/ready`)
    expect(ready.status).toBe(503)
    expect(JSON.stringify(await ready.json())).toMatch(/functions\.yml:\d+:\d+/)
    expect((await fetch(`${irori.url}/health`)).status).toBe(200)
    await irori.stop()
    expect(irori.output()).toMatch(/WARN.*functions\.yml:\d+:\d+/)
  })

  it("serves a function as it is now, from the call after its file was changed", async () => {
    const functions = mkdtempSync(join(scratch, "edited-"))
    const write = (text: string) =>
      writeFileSync(join(functions, "f/index.mjs"), `export const handler = async () => "${text}"`)
    mkdirSync(join(functions, "f"))
    write("before")
    const irori = await startIrori({ environment: { IRORI_FUNCTIONS_DIR: functions } })
    expect(await (await invoke(irori, "f")).json()).toBe("before")
    write("after")
    await irori.wrote(/Functions changed: f/)
    expect(await (await invoke(irori, "f")).json()).toBe("after")
    await irori.stop()
  })

  it("ends with status 0 and leaves no process behind", async () => {
    const irori = await startIrori()
    await invoke(irori, "echo")
    const children = childrenOf(irori.pid)
    expect(children.map(({ command }) => command).join()).toMatch(/bootstrap\.cjs/)
    expect(await irori.stop()).toBe(0)
    expect(children.filter(({ pid }) => isRunning(pid))).toEqual([])
  })

  it("lets a running invocation finish when it is told to stop", async () => {
    const irori = await startIrori()
    const running = invoke(irori, "sleep", '{"ms":700}')
    await irori.wrote(/sleeping for 700 ms/)
    const stopping = irori.stop()
    expect(await (await running).json()).toEqual({ slept: 700 })
    expect(await stopping).toBe(0)
  })
})
