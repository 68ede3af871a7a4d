import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { Reloaded } from "../../src/reload/Reloader.ts"
import { gatewayApp } from "./gatewayApp.ts"

const reloaded: Reloaded = {
  files: ["functions", "routing.yml"],
  changed: { functions: ["hello"], routes: [{ api: "routing", method: "GET", path: "/a" }], schedules: [] },
  problems: [{ detail: "routing.yml:3:5: Map keys must be unique" }]
}

describe("POST /irori/reload", () => {
  it("answers with what was read, what has changed and what is wrong, whatever its body is", async () => {
    const gateway = gatewayApp({ reload: Effect.succeed(reloaded) })
    for (const body of [null, "{broken"]) {
      const response = await gateway.request("/irori/reload", { method: "POST", body })
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({ timestamp: expect.stringMatching(/^\d{4}-.*Z$/), ...reloaded })
    }
  })

  it("is for those with the key", async () => {
    let reloads = 0
    const reload = Effect.sync(() => {
      reloads++
      return reloaded
    })
    const gateway = gatewayApp({ apiKey: "0123456789abcdef", reload })
    for (const path of ["/irori/reload", "/%69rori/reload"]) {
      expect((await gateway.request(path, { method: "POST" })).status).toBe(403)
    }
    expect(reloads).toBe(0)
    const headers = { "x-api-key": "0123456789abcdef" }
    expect((await gateway.request("/irori/reload", { method: "POST", headers })).status).toBe(200)
    expect(reloads).toBe(1)
  })

  it("has no other method", async () => {
    const response = await gatewayApp().request("/irori/reload")
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"])
  })
})
