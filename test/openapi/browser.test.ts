import { mkdir } from "node:fs/promises"
import { Effect } from "effect"
import { Elysia } from "elysia"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { docs } from "../../plugins/docs/index.ts"
import { gatewayDescription } from "../../plugins/gateway/description.ts"
import { gatewayApp } from "../gateway/gatewayApp.ts"
import { hasChromium, startChromium } from "../support/chromium.ts"

const gateway = gatewayApp({
  invoke: ({ payload }) => {
    const { name } = JSON.parse(new TextDecoder().decode(payload))
    const answer = JSON.stringify({ greeting: `Hello, ${name}, from a function` })
    return Effect.succeed({ payload: new TextEncoder().encode(answer), executedVersion: "$LATEST" })
  }
})
const app = new Elysia()
  .use(gateway.app)
  .use(docs([{ name: "gateway", title: "Gateway", app: gateway.app, description: gatewayDescription }]))

describe.skipIf(!hasChromium)("Swagger UI in a browser", () => {
  let browser: Browser
  let origin = ""

  beforeAll(async () => {
    app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false })
    origin = `http://127.0.0.1:${app.server!.port}`
    browser = await startChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await app.stop(true)
  })

  it("invokes a function and shows its answer, without a request to any other server", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1700 } })
    const requests: Array<string> = []
    const complaints: Array<string> = []
    page.on("request", (request) => requests.push(request.url()))
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text())
    })

    await page.goto(`${origin}/docs`)
    const operation = page.locator("#operations-Invocation-Invoke")
    await operation.waitFor()
    await mkdir("test/artifacts", { recursive: true })
    await page.screenshot({ path: "test/artifacts/docs.png" })
    await operation.locator(".opblock-summary-control").click()
    await operation.locator(".try-out__btn").click()
    await operation.locator("tr[data-param-name=FunctionName] input").fill("hello")
    await operation.locator(".body-param__text").fill('{"name": "Irori"}')
    await operation.locator(".execute").click()

    const live = operation.locator(".live-responses-table .response")
    await live.waitFor()
    expect(await live.locator(".response-col_status").textContent()).toContain("200")
    expect(await live.locator(".response-col_description pre").first().textContent()).toContain(
      '"greeting": "Hello, Irori, from a function"'
    )
    expect(gateway.invoked.map(({ payload }) => new TextDecoder().decode(payload))).toEqual(['{"name": "Irori"}'])

    await live.scrollIntoViewIfNeeded()
    await page.screenshot({ path: "test/artifacts/docs-invoke.png" })

    expect(requests).toContain(`${origin}/docs/gateway.json`)
    expect(requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:"))).toEqual([])
    expect(complaints).toEqual([])
  })
})
