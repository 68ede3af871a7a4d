import { afterAll, describe, expect, it } from "vitest"
import { gatewayApp } from "./gatewayApp.ts"

const apiKey = "0123456789abcdef"
const gateway = gatewayApp({ apiKey })
afterAll(() => gateway.runtime.dispose())

describe("a gateway with a key", () => {
  it.each([
    ["x-api-key", apiKey],
    ["Authorization", `Bearer ${apiKey}`]
  ])("lets callers in who send it as %s", async (header, value) => {
    expect((await gateway.invoke("hello", "{}", { [header]: value })).status).toBe(200)
  })

  it.each([
    ["no key", {}, "MissingAuthenticationTokenException"],
    ["another key", { "x-api-key": "fedcba9876543210" }, "UnrecognizedClientException"],
    ["a part of it", { "x-api-key": "0123456789abcde" }, "UnrecognizedClientException"],
    ["another scheme", { Authorization: `Basic ${apiKey}` }, "MissingAuthenticationTokenException"]
  ])("refuses callers with %s before it looks at anything else", async (_, headers, errorType) => {
    const response = await gateway.invoke("no such name!", "no JSON", headers as Record<string, string>)
    expect(response.status).toBe(403)
    expect(response.headers.get("x-amzn-ErrorType")).toBe(errorType)
    expect(response.headers.get("x-amzn-RequestId")).toMatch(/^[0-9a-f-]{36}$/)
    expect(gateway.invoked).toHaveLength(2)
  })

  it("says whether it lives to anybody", async () => {
    expect((await gateway.request("/health")).status).toBe(200)
    expect((await gateway.request("/health/ready")).status).toBe(200)
    expect((await gateway.request("/healthy")).status).toBe(403)
  })
})
