import { Elysia } from "elysia"
import { describe, expect, it } from "vitest"
import { gatewayApp, type LogEntry } from "./gatewayApp.ts"

/** The line is written after the answer is sent. */
const accessLog = async (log: ReadonlyArray<LogEntry>, lines: number) => {
  await expect.poll(() => log.filter(({ level }) => level === "Info").length).toBe(lines)
  return log.filter(({ level }) => level === "Info")
}

describe("the access log", () => {
  it("has one line for each request, with what it was, what came of it and how long it took", async () => {
    const gateway = gatewayApp()
    const response = await gateway.invoke("hello:$LATEST?Qualifier=$LATEST", "{}", {
      "User-Agent": "test/1",
      "X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678;Sampled=1"
    })
    const [line] = await accessLog(gateway.log, 1)
    expect(line!.message).toBe("POST /2015-03-31/functions/hello:$LATEST/invocations 200")
    expect(line!.annotations).toEqual({
      trace_id: "1-67891233-abcdef012345678912345678",
      aws_request_id: response.headers.get("x-amzn-requestid"),
      method: "POST",
      path: "/2015-03-31/functions/hello:$LATEST/invocations",
      status: 200,
      latency_ms: expect.any(Number),
      user_agent: "test/1",
      client_ip: ""
    })
  })

  it.each([
    ["GET", "/health", 200],
    ["HEAD", "/health", 200],
    ["POST", "/health", 405],
    ["GET", "/nope", 404],
    ["POST", "/2015-03-31/functions/a%ZZb/invocations", 400],
    ["POST", "/2015-03-31/functions/nope/invocations", 404]
  ])("tells of %s %s with status %i", async (method, path, status) => {
    const gateway = gatewayApp()
    expect((await gateway.request(path, { method })).status).toBe(status)
    const [line] = await accessLog(gateway.log, 1)
    expect(line).toMatchObject({ message: `${method} ${path} ${status}`, annotations: { status } })
  })

  it("tells of the routes beside the gateway's too, once each, with ids", async () => {
    const gateway = gatewayApp()
    const app = new Elysia().use(gateway.app).use(new Elysia({ name: "beside" }).get("/beside", () => "there"))
    const response = await app.handle(new Request("http://localhost/beside"))
    expect(response.headers.get("x-amzn-requestid")).not.toBeNull()
    const lines = await accessLog(gateway.log, 1)
    expect(lines.map(({ message }) => message)).toEqual(["GET /beside 200"])
  })
})
