/** The whole program on Deno: the same source, with nothing in between. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { denoCommand } from "../support/deno.ts"
import { start } from "../support/household.ts"
import { answerOf, errorOf, lambdaClient, lambdas } from "../support/lambdas.ts"
import { processesWith } from "../support/processes.ts"

const mark = crypto.randomUUID()
const environment = {
  IRORI_PROVISIONER: "process",
  IRORI_FUNCTIONS_DIR: lambdas,
  TEST_MARK: mark,
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1"
}

describe("Irori on Deno", () => {
  if (denoCommand === undefined) {
    it.skip("is not tested here: the package `deno` is not installed")
    return
  }
  const command = denoCommand

  let irori: Awaited<ReturnType<typeof start>>
  let client: ReturnType<typeof lambdaClient>

  beforeAll(async () => {
    irori = await start(environment, { command })
    client = lambdaClient(irori.url)
  })
  afterAll(() => client?.destroy())

  const workers = () => processesWith(`TEST_MARK=${mark}`).filter((found) => !found.startsWith(`${irori.pid} `))

  it("answers an invocation and has what the function prints in its log", async () => {
    const token = crypto.randomUUID()
    const { event } = await answerOf(client, "node-wide", { token, print: `printed ${token}` })
    expect(event.token).toBe(token)
    await irori.wrote(new RegExp(`printed ${token}`))
  })

  it("answers with the error of a function", async () => {
    expect(await errorOf(client, "node-wide", { throw: "not with me" })).toMatchObject({
      status: 200,
      FunctionError: "Unhandled",
      errorType: "RangeError"
    })
  })

  it("cuts an invocation off whose caller has left", async () => {
    const [first] = await Promise.all([answerOf(client, "node"), answerOf(client, "node-wide")])
    const leave = new AbortController()
    const body = JSON.stringify({ print: "somebody waits", sleep: 30_000 })
    const url = `${irori.url}/2015-03-31/functions/node/invocations`
    const left = fetch(url, { method: "POST", body, signal: leave.signal }).catch((error: Error) => error.name)
    await irori.wrote(/somebody waits/)
    leave.abort()
    expect(await left).toBe("AbortError")
    const next = await answerOf(client, "node")
    expect(next.worker).not.toBe(first.worker)
  })

  it("ends with status 0 and leaves no worker behind", async () => {
    expect(workers()).not.toEqual([])
    expect(await irori.stop()).toBe(0)
    expect(workers()).toEqual([])
    expect(irori.output()).not.toMatch(/^\s+at |error:/m)
  })

  it("cuts off what still runs when its time to stop is over", async () => {
    const hasty = await start({ ...environment, IRORI_SHUTDOWN_TIMEOUT: "0.2" }, { command })
    const body = JSON.stringify({ print: "at work", sleep: 15_000 })
    const cut = fetch(`${hasty.url}/2015-03-31/functions/node-wide/invocations`, { method: "POST", body })
      .then((answer) => answer.headers.get("x-amz-function-error"))
      .catch(() => "no answer")
    await hasty.wrote(/at work/)
    expect(await hasty.stop()).toBe(0)
    expect(["Unhandled", "no answer"]).toContain(await cut)
    expect(workers()).toEqual([])
  })
})
