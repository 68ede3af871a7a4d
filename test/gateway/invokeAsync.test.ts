import { describe, expect, it } from "vitest"
import { arn, gatewayApp } from "./gatewayApp.ts"

const path = (name: string) => `/2014-11-13/functions/${name}/invoke-async`
const post = (body: string): RequestInit => ({ method: "POST", body })

describe("InvokeAsync", () => {
  it("queues the event and answers with the status that it has", async () => {
    const gateway = gatewayApp()
    const response = await gateway.request(path("hello"), post('{"a":1}'))
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({ Status: 202 })
    expect(gateway.enqueued.map(({ payload }) => new TextDecoder().decode(payload))).toEqual(['{"a":1}'])
    expect(gateway.enqueued[0]?.requestId).toBe(response.headers.get("x-amzn-requestid"))
    expect(gateway.invoked).toEqual([])
  })

  it("takes events of 256 KB and no more", async () => {
    const gateway = gatewayApp()
    const fits = JSON.stringify("x".repeat(262_142))
    expect((await gateway.request(path("hello"), post(fits))).status).toBe(202)
    const response = await gateway.request(path("hello"), post(`${fits} `))
    expect(response.status).toBe(413)
    expect(response.headers.get("x-amzn-errortype")).toBe("RequestEntityTooLargeException")
  })

  it("refuses what is no JSON, and functions that there are not", async () => {
    const gateway = gatewayApp()
    expect((await gateway.request(path("hello"), post("{"))).status).toBe(400)
    const response = await gateway.request(path("nope"), post("{}"))
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ Type: "User", Message: `Function not found: ${arn}:nope:$LATEST` })
    expect(gateway.enqueued).toEqual([])
  })
})
