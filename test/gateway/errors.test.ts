import { Duration, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { EventNotStored, EventQueueFull } from "../../src/invoke/AsyncInvoker.ts"
import { CircuitOpen } from "../../src/invoke/FunctionBreaker.ts"
import { NoCapacity, WorkerStartFailed } from "../../src/invoke/InvocationBackend.ts"
import { InvocationTimedOut, type InvokeError, LambdaExecutionError } from "../../src/invoke/InvokeError.ts"
import { FunctionNotFound, FunctionUnusable } from "../../src/registry/FunctionRegistry.ts"
import { hello } from "../support/functions.ts"
import { arn, gatewayApp } from "./gatewayApp.ts"

const failing = async (error: InvokeError, headers: Record<string, string> = {}) => {
  const response = await gatewayApp({ invoke: () => Effect.fail(error) }).invoke("hello", "{}", headers)
  return {
    response,
    status: response.status,
    type: response.headers.get("x-amzn-errortype"),
    body: (await response.json()) as Record<string, string>
  }
}

const startFailed = (reason: WorkerStartFailed["failure"]["reason"]) =>
  new WorkerStartFailed({ functionName: hello, failure: { reason, detail: "why" } })

describe("the gateway's errors", () => {
  it.each<readonly [error: InvokeError, status: number, type: string, body: Record<string, string>]>([
    [
      new FunctionNotFound({ functionName: "hello", qualifier: "7" }),
      404,
      "ResourceNotFoundException",
      { Type: "User", Message: `Function not found: ${arn}:hello:7` }
    ],
    [
      new FunctionUnusable({ functionName: "hello", detail: "no handler" }),
      502,
      "InvalidRuntimeException",
      { Type: "User", Message: "no handler" }
    ],
    ...(["ReservedLimit", "QueueFull", "TimedOut"] as const).map(
      (reason) =>
        [
          new NoCapacity({ functionName: hello, reason }),
          429,
          "TooManyRequestsException",
          { Type: "User", message: "Rate Exceeded.", Reason: "ReservedFunctionConcurrentInvocationLimitExceeded" }
        ] as const
    ),
    [
      new NoCapacity({ functionName: hello, reason: "AccountLimit" }),
      429,
      "TooManyRequestsException",
      { Type: "User", message: "Rate Exceeded.", Reason: "ConcurrentInvocationLimitExceeded" }
    ],
    [
      new NoCapacity({ functionName: hello, reason: "Closed" }),
      503,
      "ServiceUnavailableException",
      { Type: "Service", message: "Irori is stopping and takes no more invocations." }
    ],
    [
      new CircuitOpen({ functionName: hello, failures: 5, retryAfter: Duration.millis(2100) }),
      502,
      "ResourceNotReadyException",
      {
        Type: "Service",
        message: "'hello' is not run at the moment: its workers failed 5 times in a row; it is tried again in 3 s."
      }
    ],
    ...(["ImageNotFound", "RuntimeUnavailable"] as const).map(
      (reason) =>
        [
          startFailed(reason),
          502,
          "InvalidRuntimeException",
          { Type: "User", Message: "A worker for 'hello' could not be started: why" }
        ] as const
    ),
    ...(["EngineUnavailable", "Refused"] as const).map(
      (reason) =>
        [
          startFailed(reason),
          502,
          "ResourceNotReadyException",
          { Type: "User", message: "A worker for 'hello' could not be started: why" }
        ] as const
    )
  ])("answers %j", async (error, status, type, body) => {
    expect(await failing(error)).toMatchObject({ status, type, body })
    expect(Object.keys((await failing(error)).body)).toEqual(Object.keys(body))
  })

  it.each(["QueueFull", "TimedOut", "Closed"] as const)("asks to come back in a second: %s", async (reason) => {
    const { response } = await failing(new NoCapacity({ functionName: hello, reason }))
    expect(response.headers.get("retry-after")).toBe("1")
  })

  it.each([
    [2100, "3"],
    [0, "1"]
  ])("asks to come back when a function is tried again, in %i ms", async (millis, seconds) => {
    const error = new CircuitOpen({ functionName: hello, failures: 5, retryAfter: Duration.millis(millis) })
    expect((await failing(error)).response.headers.get("retry-after")).toBe(seconds)
  })

  it("answers a full queue of events with 429, and says how many are in it", async () => {
    const gateway = gatewayApp({ enqueue: () => Effect.fail(new EventQueueFull({ maxEvents: 7 })) })
    const response = await gateway.invoke("hello", "{}", { "X-Amz-Invocation-Type": "Event" })
    expect(response.status).toBe(429)
    expect(response.headers.get("x-amzn-errortype")).toBe("TooManyRequestsException")
    expect(await response.json()).toEqual({
      Type: "User",
      message: "The queue of asynchronous events is full: 7 wait or run already."
    })
  })

  it.each([
    [true, "The event was not accepted: there is no room on the disk for the queue of asynchronous events."],
    [false, "The event was not accepted: the queue of asynchronous events cannot be written."]
  ])("answers an event that cannot be stored with 500, and says why", async (isDiskFull, message) => {
    const gateway = gatewayApp({ enqueue: () => Effect.fail(new EventNotStored({ isDiskFull, cause: "secret" })) })
    const response = await gateway.invoke("hello", "{}", { "X-Amz-Invocation-Type": "Event" })
    expect(response.status).toBe(500)
    expect(response.headers.get("x-amzn-errortype")).toBe("ServiceException")
    expect(await response.json()).toEqual({ Type: "Service", Message: message })
  })

  it("answers a broken-off execution as an error of the function", async () => {
    const document = '{"errorType":"Sandbox.Timedout","errorMessage":"…"}'
    const { response, body } = await failing(
      new LambdaExecutionError({
        functionName: hello,
        executedVersion: "4",
        errorType: "Sandbox.Timedout",
        document: new TextEncoder().encode(document),
        cause: new InvocationTimedOut({
          functionName: hello,
          timeout: Duration.seconds(3),
          target: "http://127.0.0.1:9"
        })
      })
    )
    expect(response.status).toBe(200)
    expect(response.headers.get("x-amz-function-error")).toBe("Unhandled")
    expect(response.headers.get("x-amz-executed-version")).toBe("4")
    expect(response.headers.has("x-amzn-errortype")).toBe(false)
    expect(body).toEqual(JSON.parse(document))
  })

  it("tells the log of a bug, and the caller nothing", async () => {
    const gateway = gatewayApp({ invoke: () => Effect.die(new Error("the secret of the house")) })
    const response = await gateway.invoke("hello")
    expect(response.status).toBe(500)
    expect(response.headers.get("x-amzn-errortype")).toBe("ServiceException")
    expect(await response.json()).toEqual({
      Type: "Service",
      Message: "An error occurred and the request cannot be processed."
    })
    const errors = gateway.log.filter(({ level }) => level === "Error")
    expect(errors).toHaveLength(1)
    expect(errors[0]!.message).toContain("the secret of the house")
    expect(errors[0]!.message).toContain("errors.test.ts")
    expect(errors[0]!.annotations.aws_request_id).toBe(response.headers.get("x-amzn-requestid"))
  })

  it("does the same for a bug outside of Effect", async () => {
    const gateway = gatewayApp()
    const app = gateway.app.get("/boom", () => {
      throw new Error("the secret of the house")
    })
    const response = await app.handle(new Request("http://localhost/boom"))
    expect([response.status, await response.text()]).toEqual([500, '{"message":"Internal Server Error"}'])
    expect(gateway.log.find(({ level }) => level === "Error")!.message).toContain("the secret of the house")
  })

  it.each(["/", "/nope", "/docs/../nope", "/health/nope"])("answers 404 on %s", async (path) => {
    const response = await gatewayApp().request(path)
    expect([response.status, await response.text()]).toEqual([404, '{"message":"Not Found"}'])
  })

  it.each(["/2015-03-31/functions", "/2015-03-31/functions//invocations", "/2021-11-15/functions/hello/nope"])(
    "answers as Lambda on %s, which is no operation",
    async (path) => {
      const response = await gatewayApp().request(path, { method: "POST", body: "{}" })
      expect(response.status).toBe(404)
      expect(response.headers.get("x-amzn-errortype")).toBe("UnknownOperationException")
      expect(response.headers.get("content-type")).toBe("application/json")
      expect(await response.json()).toEqual({ Type: "User", message: `There is no operation POST ${path}` })
    }
  )
})
