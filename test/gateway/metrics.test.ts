import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { ContainerMetricsUnavailable, type ContainersReport } from "../../src/provision/ContainerMetrics.ts"
import { gatewayApp } from "./gatewayApp.ts"

const sample: ContainersReport["containers"][number] = {
  container_id: "w1",
  function_name: "hello",
  container_name: "w1",
  state: "PAUSED",
  memory_current: 1,
  memory_max: 2,
  oom_events: 0,
  cpu_usage_ns: 3,
  exit_code: 0,
  restart_count: 0,
  exit_time: 0,
  collected_at: 4.5
}

describe("GET /metrics", () => {
  it("answers in the format that Prometheus reads", async () => {
    const response = await gatewayApp({ prometheus: "a_total 1\n" }).request("/metrics")
    expect([response.status, await response.text()]).toEqual([200, "a_total 1\n"])
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8")
  })

  it.each(["/metrics", "/metrics/containers"])("%s has no other method", async (path) => {
    const response = await gatewayApp().request(path, { method: "POST", body: "{broken" })
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"])
  })

  it.each(["/metrics", "/metrics/containers", "/%6detrics"])("%s is for those with the key", async (path) => {
    const gateway = gatewayApp({ apiKey: "0123456789abcdef", prometheus: "a_total 1\n" })
    const refused = await gateway.request(path)
    expect(refused.status).toBe(403)
    expect(await refused.text()).not.toContain("a_total")
    const headers = { authorization: "Bearer 0123456789abcdef" }
    expect((await gateway.request("/metrics", { headers })).status).toBe(200)
  })
})

describe("GET /metrics/containers", () => {
  it("has each worker that could be measured, and each that could not, with their number", async () => {
    const report = {
      containers: [sample, { container_id: "w2", container_name: "w2", error: "why" }],
      failures: 1
    }
    const response = await gatewayApp({ collect: Effect.succeed(report) }).request("/metrics/containers")
    expect([response.status, await response.json()]).toEqual([200, report])
  })

  it("has an empty list, and nothing else, where there are no workers", async () => {
    const response = await gatewayApp().request("/metrics/containers")
    expect([response.status, await response.text()]).toEqual([200, '{"containers":[]}'])
  })

  it("answers 503 where nothing could be measured", async () => {
    const collect = Effect.fail(new ContainerMetricsUnavailable({ detail: "no engine" }))
    const response = await gatewayApp({ collect }).request("/metrics/containers")
    expect([response.status, await response.json()]).toEqual([
      503,
      { message: "Container metrics are unavailable: no engine" }
    ])
  })
})
