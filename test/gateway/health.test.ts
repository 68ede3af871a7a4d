import { describe, expect, it } from "vitest"
import { gatewayApp } from "./gatewayApp.ts"

const timestamp = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
const problem = { functionName: "hello", detail: "no handler" }

describe("GET /health", () => {
  it("answers as long as the process does, whatever the functions' problems are", async () => {
    const response = await gatewayApp({ problems: [problem] }).request("/health")
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ status: "healthy", timestamp })
  })

  it("answers HEAD, and no other method than GET beside it", async () => {
    expect((await gatewayApp().request("/health", { method: "HEAD" })).status).toBe(200)
    const response = await gatewayApp().request("/health", { method: "POST", body: "{broken" })
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"])
    expect(await response.json()).toEqual({ message: "Method Not Allowed" })
  })
})

describe("GET /health/ready", () => {
  it("is ready when every function can be run", async () => {
    const response = await gatewayApp().request("/health/ready")
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ status: "ready", timestamp, problems: [] })
  })

  it("lists the functions' problems, and is not ready", async () => {
    const problems = [problem, { detail: "functions.yml: not to be read" }]
    const response = await gatewayApp({ problems }).request("/health/ready")
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ status: "unready", timestamp, problems })
  })
})
