import { Elysia } from "elysia"
import { describe, expect, it } from "vitest"
import { docs } from "../../plugins/docs/index.ts"
import { gatewayDescription } from "../../plugins/gateway/description.ts"
import { gatewayApp } from "../gateway/gatewayApp.ts"

const gateway = gatewayApp().app
const app = new Elysia()
  .use(gateway)
  .use(docs([{ name: "gateway", title: "Gateway", app: gateway, description: gatewayDescription }]))
const get = (path: string) => app.handle(new Request(`http://localhost${path}`))

describe("/docs", () => {
  it("asks for nothing but what this server has", async () => {
    const page = await get("/docs")
    expect(page.status).toBe(200)
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8")
    const html = await page.text()
    const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]!)
    expect(addresses.length).toBeGreaterThan(4)
    for (const address of addresses) {
      expect(address).toMatch(/^\/docs\//)
      expect((await get(address)).status).toBe(200)
    }
  })

  it("has nothing inline that its own policy forbids", async () => {
    const page = await get("/docs")
    expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'self';/)
    expect(page.headers.get("content-security-policy")).not.toMatch(/script-src|connect-src|unsafe-eval|http/)
    expect(await page.text()).not.toMatch(/<script>|<style|\son\w+=|style=/)
  })

  it("starts with the documents there are, and no validator on the internet", async () => {
    const script = await (await get("/docs/assets/irori.js")).text()
    expect(script).toContain('[{"url":"/docs/gateway.json","name":"Gateway"}]')
    expect(script).toContain("validatorUrl: null")
  })

  it("has the document of the routes, without those of the page", async () => {
    const response = await get("/docs/gateway.json")
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8")
    const document = (await response.json()) as { openapi: string; paths: Record<string, unknown> }
    expect(document.openapi).toBe("3.1.0")
    expect(Object.keys(document.paths).sort()).toEqual([
      "/2014-11-13/functions/{FunctionName}/invoke-async",
      "/2015-03-31/functions/{FunctionName}/invocations",
      "/2021-11-15/functions/{FunctionName}/response-streaming-invocations",
      "/health",
      "/health/ready",
      "/irori/events/failed",
      "/irori/events/redrive",
      "/irori/reload",
      "/metrics",
      "/metrics/containers"
    ])
  })

  it.each([
    "/docs/manager.json",
    "/docs/assets/package.json",
    "/docs/assets/swagger-ui-bundle.js.map",
    "/docs/assets/..%2Fpackage.json",
    "/docs/assets/%2e%2e%2f%2e%2e%2felysia%2fpackage.json",
    "/docs/assets/",
    "/docs/assets/constructor"
  ])("does not have %s", async (path) => expect((await get(path)).status).toBe(404))

  it("offers each of several documents, with the routes of its own application only", async () => {
    const beside = new Elysia().get("/beside", () => "there", { detail: { summary: "Beside" } })
    const two = new Elysia().use(
      docs([
        { name: "gateway", title: "Gateway", app: gateway, description: gatewayDescription },
        { name: "beside", title: "Beside", app: beside, description: { ...gatewayDescription, schemas: {} } }
      ])
    )
    const text = async (path: string) => (await two.handle(new Request(`http://localhost${path}`))).text()
    expect(await text("/docs/assets/irori.js")).toContain('{"url":"/docs/beside.json","name":"Beside"}')
    expect(Object.keys(JSON.parse(await text("/docs/beside.json")).paths)).toEqual(["/beside"])
    expect(Object.keys(JSON.parse(await text("/docs/gateway.json")).paths)).not.toContain("/beside")
  })

  it("is not in the way of the gateway's own 404", async () => {
    expect(await (await get("/nope")).json()).toEqual({ message: "Not Found" })
  })
})
