/** A runtime that streams its responses, byte by byte as it would send them. */
import { it } from "@effect/vitest"
import { describe, expect } from "vitest"
import { KeptAnswer } from "../support/KeptAnswer.ts"
import { answered, Connection, event, next, responseTo, withWorker } from "../support/runtimeConnection.ts"

const streamHead = (headers = "") =>
  `POST ${responseTo("id-1")} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n` +
  `Lambda-Runtime-Function-Response-Mode: streaming\r\n${headers}\r\n`
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const base64 = (text: string) => Buffer.from(text).toString("base64")

describe("a streamed response", () => {
  it.live("goes to who takes it piece by piece, before it has ended", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const sink = new KeptAnswer()
      const outcome = deliver(event(), sink)
      await connection.response()
      connection.send(streamHead("Content-Type: text/plain\r\n"))
      await sink.until(() => sink.head !== undefined)
      expect(sink.head?.contentType).toBe("text/plain")
      for (const text of ["one", "two"]) {
        connection.send(chunk(text))
        await sink.until(() => sink.pieces.at(-1) === text)
      }
      connection.send("0\r\n\r\n")
      expect(await connection.response()).toMatchObject({ status: 202, body: '{"status":"OK"}\n' })
      expect(answered(await outcome)).toEqual({ payload: "" })
      expect(sink.pieces).toEqual(["one", "two"])
    })
  )

  it.live("is gathered for who waits for the whole", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      connection.send(`${streamHead()}${chunk("one")}${chunk("two")}0\r\n\r\n`)
      expect((await connection.response())?.status).toBe(202)
      expect(answered(await outcome)).toEqual({ payload: "onetwo" })
    })
  )

  it.live("is no answer to begin with where the runtime posts a plain one", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const sink = new KeptAnswer()
      const outcome = deliver(event(), sink)
      await connection.response()
      await connection.post(responseTo("id-1"), "42").response()
      expect(answered(await outcome)).toEqual({ payload: "42" })
      expect([sink.head, sink.bytes]).toEqual([undefined, 0])
    })
  )

  it.live.each([
    ["takes it as it comes", true],
    ["waits for the whole", false]
  ] as const)("tells of an error on the way by its trailers: to who %s", ([_, takes]) =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const sink = new KeptAnswer()
      const outcome = deliver(event(), takes ? sink : undefined)
      await connection.response()
      const document = '{"errorType":"RangeError","errorMessage":"too far"}'
      connection.send(
        `${streamHead("Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n")}${chunk("half")}0\r\n` +
          `Lambda-Runtime-Function-Error-Type: RangeError\r\nLambda-Runtime-Function-Error-Body: ${base64(document)}\r\n\r\n`
      )
      expect((await connection.response())?.status).toBe(202)
      expect(answered(await outcome)).toEqual({ payload: document, errorType: "RangeError" })
      expect(sink.pieces).toEqual(takes ? ["half"] : [])
    })
  )

  it.live(
    "is one without a mode too, where the trailers of a failure are announced: AWS's client for Go sends it so",
    () =>
      withWorker(async ({ connection, deliver, poll }) => {
        await poll()
        const sink = new KeptAnswer()
        const outcome = deliver(event(), sink)
        await connection.response()
        const announced = "Trailer: Lambda-Runtime-Function-Error-Body,Lambda-Runtime-Function-Error-Type\r\n"
        connection.send(
          `${streamHead(announced).replace(/Lambda-Runtime-Function-Response-Mode: streaming\r\n/, "")}${chunk("half")}`
        )
        await sink.until(() => sink.pieces.at(-1) === "half")
        connection.send("0\r\nLambda-Runtime-Function-Error-Type: errorString\r\n\r\n")
        await connection.response()
        expect(answered(await outcome)).toMatchObject({ errorType: "errorString" })
      })
  )

  it.live("that names an error and does not tell it has a document all the same", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver(event(), new KeptAnswer())
      await connection.response()
      connection.send(`${streamHead()}0\r\nLambda-Runtime-Function-Error-Type: Function.Mine\r\n\r\n`)
      await connection.response()
      expect(answered(await outcome)).toEqual({ payload: '{"errorType":"Function.Mine"}', errorType: "Function.Mine" })
    })
  )

  it.live("is ended by an error that is posted meanwhile", () =>
    withWorker(async ({ connection, deliver, listener, poll }) => {
      await poll()
      const outcome = deliver(event(), new KeptAnswer())
      await connection.response()
      connection.send(`${streamHead()}${chunk("half")}`)
      const other = new Connection(listener.port)
      other.post("/2018-06-01/runtime/invocation/id-1/error", '{"errorType":"Runtime.Late"}')
      // The two connections race: before the stream has begun the error is the answer all the same.
      expect((await other.response())?.status).toBe(202)
      expect(answered(await outcome)).toMatchObject({ errorType: "Runtime.Late" })
      connection.send("0\r\n\r\n")
      expect((await connection.response())?.status).toBe(403)
      other.socket.destroy()
    })
  )

  it.live("is the only answer: another one meanwhile is refused", () =>
    withWorker(async ({ connection, deliver, listener, poll }) => {
      await poll()
      const sink = new KeptAnswer()
      const outcome = deliver(event(), sink)
      await connection.response()
      connection.send(`${streamHead()}${chunk("half")}`)
      await sink.until(() => sink.bytes > 0)
      const other = new Connection(listener.port)
      expect((await other.post(responseTo("id-1"), "1").response())?.status).toBe(403)
      other.send(`${streamHead()}${chunk("other")}0\r\n\r\n`)
      expect((await other.response())?.status).toBe(403)
      connection.send("0\r\n\r\n")
      expect((await connection.response())?.status).toBe(202)
      await outcome
      expect(sink.pieces).toEqual(["half"])
      other.socket.destroy()
    })
  )

  it.live("is refused for another request, and in another mode", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver(event({ requestId: "id-2" }), new KeptAnswer())
      await connection.response()
      connection.send(`${streamHead()}${chunk("x")}0\r\n\r\n`)
      expect(await connection.response()).toMatchObject({
        status: 400,
        body: expect.stringMatching("InvalidRequestID")
      })
      connection.post(responseTo("id-2"), "1", "Lambda-Runtime-Function-Response-Mode: sideways\r\n")
      expect(await connection.response()).toMatchObject({
        status: 400,
        body: expect.stringMatching('"errorType":"InvalidFunctionResponseMode"')
      })
      connection.post(responseTo("id-2"), "1")
      expect((await connection.response())?.status).toBe(202)
      expect(answered(await outcome)).toEqual({ payload: "1" })
    })
  )

  /** Sends `mebibytes` in chunks of one. */
  const sendMany = (connection: Connection, mebibytes: number) => {
    const piece = `100000\r\n${"x".repeat(0x100000)}\r\n`
    for (let sent = 0; sent < mebibytes; sent++) connection.send(piece)
  }

  it.live(
    "may have 200 megabytes where it is passed on, and is cut and failed there",
    () =>
      withWorker(async ({ connection, deliver, poll }) => {
        await poll()
        const sink = new KeptAnswer()
        const whole = deliver(event(), sink)
        await connection.response()
        connection.send(streamHead())
        sendMany(connection, 200)
        connection.send("0\r\n\r\n")
        expect((await connection.response())?.status).toBe(202)
        expect(answered(await whole)).toEqual({ payload: "" })
        expect(sink.bytes).toBe(209_715_200)

        connection.get(next)
        const cut = new KeptAnswer()
        const tooMuch = deliver(event(), cut)
        await connection.response()
        connection.send(streamHead())
        sendMany(connection, 200)
        connection.send(`${chunk("y")}0\r\n\r\n`)
        expect((await connection.response())?.status).toBe(413)
        expect(answered(await tooMuch)).toEqual({
          errorType: "Function.ResponseSizeTooLarge",
          payload:
            '{"errorMessage":"Response payload size exceeded maximum allowed payload size (209715200 bytes).",' +
            '"errorType":"Function.ResponseSizeTooLarge"}'
        })
        expect(cut.bytes).toBe(209_715_200)
      }),
    60_000
  )

  it.live("may have what a plain response may where it is gathered", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      connection.send(streamHead())
      sendMany(connection, 6)
      connection.send(`${chunk("x".repeat(101))}0\r\n\r\n`)
      expect((await connection.response())?.status).toBe(413)
      expect(answered(await outcome)).toMatchObject({ errorType: "Function.ResponseSizeTooLarge" })
    })
  )

  it.live("waits, unread, while its taker has it paused", () =>
    withWorker(async ({ connection, deliver, poll }) => {
      await poll()
      const sink = new KeptAnswer(true)
      const outcome = deliver(event(), sink)
      await connection.response()
      connection.send(streamHead())
      sendMany(connection, 64)
      connection.send("0\r\n\r\n")
      await sink.until(() => sink.bytes > 0)
      // As long as the sender's buffer stays full it is not being read: of 64 megabytes, the kernel holds a few.
      await new Promise((wait) => setTimeout(wait, 100))
      const held = sink.bytes
      expect(held).toBeLessThan(1024 * 1024)
      expect(connection.socket.writableLength).toBeGreaterThan(40 * 1024 * 1024)
      const pump = setInterval(() => sink.head?.flow.resume(), 0)
      expect((await connection.response())?.status).toBe(202)
      clearInterval(pump)
      await outcome
      expect(sink.bytes).toBe(64 * 1024 * 1024)
      // And the connection goes on.
      expect((await connection.get("/2018-06-01/ping").response())?.body).toBe("pong")
    })
  )

  for (const [what, head] of [
    ["streamed", `${streamHead()}${chunk("half")}`],
    ["plain", `POST ${responseTo("id-1")} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf`]
  ] as const) {
    it.live(`loses its worker when it is cut off and no more is heard: ${what}`, () =>
      withWorker(async ({ connection, deliver, poll }) => {
        await poll()
        const outcome = deliver(event(), new KeptAnswer())
        await connection.response()
        connection.send(head)
        connection.socket.end()
        expect(await connection.response()).toMatchObject({
          status: 400,
          body: expect.stringMatching('"errorType":"TruncatedHTTPRequest"')
        })
        expect(await outcome).toMatchObject({
          _tag: "Lost",
          began: true,
          why: "it broke off in the middle of its answer"
        })
      })
    )

    it.live(`is lost with the exit of its worker, where that is known soon after it was cut off: ${what}`, () =>
      withWorker(async ({ connection, deliver, listener, poll }) => {
        await poll()
        const outcome = deliver(event(), new KeptAnswer())
        await connection.response()
        connection.send(head)
        connection.socket.end()
        await connection.response()
        listener.end({ code: 3 }, "it exited")
        expect(await outcome).toMatchObject({ _tag: "Lost", began: true, exit: { code: 3 } })
      })
    )
  }

  it.live("leaves a worker alone that posts the whole of a plain response after it was cut off", () =>
    withWorker(async ({ connection, deliver, listener, poll }) => {
      await poll()
      const outcome = deliver()
      await connection.response()
      connection.send(`POST ${responseTo("id-1")} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf`)
      connection.socket.end()
      await connection.response()
      const again = new Connection(listener.port)
      expect((await again.post(responseTo("id-1"), "whole").response())?.status).toBe(202)
      expect(answered(await outcome)).toEqual({ payload: "whole" })
      again.socket.destroy()
    })
  )
})
