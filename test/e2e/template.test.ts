/** The example template from outside: its APIs are called, it is changed, broken and mended while it is served. */
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { codeFolder } from "../support/codeFolder.ts"
import { start } from "../support/household.ts"
import { type Irori, root } from "../support/irori.ts"

const folder = codeFolder({}).path
const file = join(folder, "template.yaml")

let irori: Irori
beforeAll(async () => {
  cpSync(join(root, "examples/sam"), folder, { recursive: true })
  irori = await start({ IRORI_TEMPLATE: file, IRORI_TEMPLATE_PARAMETERS: "Stage=prod" })
})

const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(`${irori.url}${path}`, init)
  return { status: response.status, body: await response.text() }
}

const change = (from: string, to: string) => {
  const text = readFileSync(file, "utf8")
  expect(text).toContain(from)
  writeFileSync(file, text.replace(from, to))
}

/** What Irori writes from here on. */
const nextOutput = (pattern: RegExp) => {
  const before = irori.output().length
  const wait = async (): Promise<void> => {
    if (pattern.test(irori.output().slice(before))) return
    await irori.wrote(new RegExp(`[\\s\\S]{${before}}[\\s\\S]*?${pattern.source}`))
  }
  return wait()
}

describe("a template", () => {
  it("serves its HTTP API and its REST API, with parameters, conditions and a layer", async () => {
    const order = await ask("/orders/7")
    expect(JSON.parse(order.body)).toEqual({ id: "7", table: "orders-prod", stage: "prod", detail: "low", body: null })
    expect(await ask("/Prod/hello?name=Ada")).toEqual({ status: 200, body: "HELLO ADA, FROM PROD!" })
    expect((await ask("/hello")).status).toBe(200)
    const api = await fetch(`${irori.url}/orders/8`, { headers: { host: "serverlesshttpapi.execute-api.local" } })
    expect(await api.json()).toMatchObject({ id: "8" })
  })

  it("names once, with its line, what is not for Irori, and serves no folder beside it", async () => {
    expect(
      irori.output().match(/template\.yaml:\d+: OrdersTable \(AWS::DynamoDB::Table\) is not made here/g)
    ).toHaveLength(1)
    expect((await ask("/2015-03-31/functions/echo/invocations", { method: "POST", body: "{}" })).status).toBe(404)
    expect((await ask("/health/ready")).status).toBe(200)
  })

  it("reserves what it says for its functions", async () => {
    const { body } = await ask("/2019-09-30/functions/orders-prod/concurrency")
    expect(JSON.parse(body)).toEqual({ ReservedConcurrentExecutions: 5 })
  })

  it("is taken over when it changes, and keeps what it said when it breaks", async () => {
    const changed = nextOutput(/Functions changed: GreetingFunction/)
    change(
      "      CodeUri: greeting\n",
      "      CodeUri: greeting\n      Timeout: 4\n      Layers: []\n      Description: later\n"
    )
    await changed
    expect((await ask("/hello?name=Bo")).body).toBe("HELLO BO, FROM PROD!")

    const broken = nextOutput(/WARN.*template\.yaml:\d+: /)
    change("Path: /hello", "Path: /bye\n            Path: /bye")
    await broken
    expect((await ask("/hello?name=Cy")).body).toBe("HELLO CY, FROM PROD!")
    const health = await ask("/health/ready")
    expect(health.status).toBe(503)
    expect(JSON.parse(health.body).problems[0].detail).toMatch(/template\.yaml:\d+: Map keys must be unique/)

    const mended = nextOutput(/is read again/)
    change("Path: /bye\n            Path: /bye", "Path: /bye")
    await mended
    expect((await ask("/bye?name=Di")).body).toBe("HELLO DI, FROM PROD!")
    expect((await ask("/hello")).status).not.toBe(200)
    expect((await ask("/health/ready")).status).toBe(200)
  })

  it("takes over code that changes", async () => {
    const changed = nextOutput(/Functions changed: orders-prod/)
    writeFileSync(join(folder, "orders/index.mjs"), "export const handler = async () => 'another'\n")
    await changed
    expect((await ask("/orders/7")).body).toBe("another")
  })
})
