import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { Outcome, Selection } from "../../src/invoke/async/EventStore.ts"
import { invocation } from "../support/functions.ts"
import { arn, gatewayApp } from "./gatewayApp.ts"

const outcome: Outcome = {
  id: 7,
  invocation: invocation({
    requestId: "id-1",
    qualifier: "live",
    payload: new TextEncoder().encode('{"the":"event"}')
  }),
  acceptedMillis: 0,
  endedMillis: 180_000,
  condition: "RetriesExhausted",
  attempts: 3,
  answer: {
    payload: new TextEncoder().encode('{"errorType":"Error","errorMessage":"no"}'),
    executedVersion: "2",
    functionError: "Unhandled"
  }
}

/** With one failed event; what is asked of them is written down. */
const app = () => {
  const asked: Array<readonly [string, Selection, ...Array<number>]> = []
  const gateway = gatewayApp({
    apiKey: "a-key-of-sixteen-letters",
    failedEvents: {
      list: (selection, after, limit) =>
        Effect.sync(() => {
          asked.push(["list", selection, after, limit])
          return { events: [outcome], next: 7 }
        }),
      redrive: (selection) =>
        Effect.sync(() => {
          asked.push(["redrive", selection])
          return { redriven: 3, left: 1 }
        }),
      discard: (selection) =>
        Effect.sync(() => {
          asked.push(["discard", selection])
          return 2
        })
    }
  })
  const ask = async (method: string, path: string, body?: string) => {
    const response = await gateway.request(`/irori/events/${path}`, {
      method,
      headers: { "x-api-key": "a-key-of-sixteen-letters" },
      ...(body === undefined ? {} : { body })
    })
    return { status: response.status, body: await response.json() }
  }
  return { ask, asked, gateway }
}

describe("the routes of failed events", () => {
  it("list them without what is in them, page by page", async () => {
    const { ask, asked } = app()
    expect(await ask("GET", "failed?function=hello&limit=1&after=6")).toEqual({
      status: 200,
      body: {
        events: [
          {
            requestId: "id-1",
            functionArn: `${arn}:hello:live`,
            condition: "RetriesExhausted",
            attempts: 3,
            acceptedAt: "1970-01-01T00:00:00.000Z",
            failedAt: "1970-01-01T00:03:00.000Z",
            payloadBytes: 15,
            error: '{"errorType":"Error","errorMessage":"no"}'
          }
        ],
        next: 7
      }
    })
    expect(asked).toEqual([["list", { functionName: "hello" }, 6, 1]])
  })

  it("show one as its destination would have had it", async () => {
    const { ask, asked } = app()
    const { body } = await ask("GET", "failed?requestId=id-1")
    expect(body).toMatchObject({
      events: [
        {
          version: "1.0",
          requestContext: { requestId: "id-1", functionArn: `${arn}:hello:live`, approximateInvokeCount: 3 },
          requestPayload: { the: "event" },
          responseContext: { statusCode: 200, executedVersion: "2", functionError: "Unhandled" },
          responsePayload: { errorType: "Error", errorMessage: "no" }
        }
      ]
    })
    expect(asked).toEqual([["list", { requestId: "id-1" }, 0, 100]])
  })

  it.each<readonly [string | undefined, Selection]>([
    [undefined, {}],
    ["{}", {}],
    ['{"function":"hello"}', { functionName: "hello" }],
    ['{"requestId":"id-1"}', { requestId: "id-1" }]
  ])("run them again: %s", async (body, selection) => {
    const { ask, asked } = app()
    expect(await ask("POST", "redrive", body)).toEqual({ status: 200, body: { redriven: 3, left: 1 } })
    expect(asked).toEqual([["redrive", selection]])
  })

  it("drop them", async () => {
    const { ask, asked } = app()
    expect(await ask("DELETE", "failed?function=hello")).toEqual({ status: 200, body: { dropped: 2 } })
    expect(asked).toEqual([["discard", { functionName: "hello" }]])
  })

  it.each([
    ["GET", "failed?limit=0", undefined],
    ["GET", "failed?limit=101", undefined],
    ["GET", "failed?after=x", undefined],
    ["GET", "failed?function=a%20b", undefined],
    ["DELETE", "failed?function=", undefined],
    ["POST", "redrive", "{"],
    ["POST", "redrive", "[]"],
    ["POST", "redrive", '{"function":1}']
  ])("refuse what makes no sense: %s %s %s", async (method, path, body) => {
    const { ask, asked } = app()
    expect((await ask(method, path, body)).status).toBe(400)
    expect(asked).toEqual([])
  })

  it("are for those who have the key", async () => {
    const { asked, gateway } = app()
    expect((await gateway.request("/irori/events/failed")).status).toBe(403)
    expect((await gateway.request("/irori/events/redrive", { method: "POST" })).status).toBe(403)
    expect(asked).toEqual([])
  })
})
