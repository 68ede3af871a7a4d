/** Asynchronous events of the whole program: what its death, its end and the API make of them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  GetFunctionEventInvokeConfigCommand,
  InvokeAsyncCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionEventInvokeConfigCommand
} from "@aws-sdk/client-lambda"
import { afterEach, describe, expect, it } from "vitest"
import { runEvents } from "../chaos/events.ts"
import { type Irori, startIrori } from "../support/irori.ts"

const folders: Array<string> = []
const running: Array<Irori> = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((irori) => irori.stop("SIGKILL")))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** `slow` notes when it begins and when it ends, `failing` fails; a folder for state and notes. */
const household = () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-events-"))
  folders.push(folder)
  const notes = join(folder, "notes")
  writeFileSync(notes, "")
  for (const [name, code] of Object.entries({
    slow: `import { appendFileSync } from "node:fs"
export const handler = async ({ name, sleep }) => {
  appendFileSync(process.env.NOTES, "begin " + name + "\\n")
  await new Promise((resolve) => setTimeout(resolve, sleep))
  appendFileSync(process.env.NOTES, "end " + name + "\\n")
}`,
    failing: `export const handler = async () => { throw new Error("no") }`
  })) {
    mkdirSync(join(folder, "functions", name), { recursive: true })
    writeFileSync(join(folder, "functions", name, "index.mjs"), code)
  }
  writeFileSync(
    join(folder, "functions/functions.yml"),
    `defaults: { environment: { NOTES: "\${NOTES}" } }
functions:
  slow: { runtime: nodejs22.x, handler: index.handler, timeout: 30, scaling: { max_capacity: 1 } }
  failing: { runtime: nodejs22.x, handler: index.handler }
`
  )
  const lines = () => readFileSync(notes, "utf8").split("\n").slice(0, -1)
  return {
    folder,
    lines,
    noted: async (line: string) => {
      while (!lines().includes(line)) await Bun.sleep(20)
    },
    start: async (environment: Readonly<Record<string, string>> = {}) => {
      const irori = await startIrori({
        stateDir: join(folder, "state"),
        environment: {
          IRORI_FUNCTIONS_DIR: join(folder, "functions"),
          IRORI_ASYNC_RETRY_DELAYS: "0.1,0.1",
          NOTES: notes,
          ...environment
        }
      })
      running.push(irori)
      return irori
    }
  }
}

const clientOf = ({ url }: Irori) =>
  new LambdaClient({
    endpoint: url,
    region: "us-east-1",
    credentials: { accessKeyId: "id", secretAccessKey: "secret" },
    maxAttempts: 1
  })

const send = async (irori: Irori, name: string, payload: object) => {
  const client = clientOf(irori)
  const { StatusCode } = await client.send(
    new InvokeCommand({ FunctionName: name, InvocationType: "Event", Payload: JSON.stringify(payload) })
  )
  expect(StatusCode).toBe(202)
}

describe("asynchronous events", () => {
  it("all run that were accepted, though Irori is killed, and no more twice than it says", async () => {
    const { accepted, announced, left, lost, output, ran, ranTwice } = await runEvents(300, 2)
    expect(lost, output).toEqual([])
    expect(ran).toBe(accepted)
    expect(ranTwice).toBeLessThanOrEqual(announced)
    expect(left).toBe(0)
  }, 60_000)

  it("that run when Irori is asked to stop end first; those that wait run after the next start", async () => {
    const { lines, noted, start } = household()
    const first = await start()
    await send(first, "slow", { name: "a", sleep: 700 })
    await send(first, "slow", { name: "b", sleep: 0 })
    await noted("begin a")
    expect(await first.stop()).toBe(0)
    expect(lines()).toEqual(["begin a", "end a"])
    const second = await start()
    await noted("end b")
    expect(lines()).toEqual(["begin a", "end a", "begin b", "end b"])
    expect(second.output()).not.toContain("running when Irori stopped")
  }, 30_000)

  it("that run past the time that a stop may take are cut off, and run again after the next start", async () => {
    const { lines, noted, start } = household()
    const first = await start({ IRORI_SHUTDOWN_TIMEOUT: "0.2" })
    await send(first, "slow", { name: "a", sleep: 1500 })
    await noted("begin a")
    await first.stop()
    expect(lines()).toEqual(["begin a"])
    const second = await start()
    await second.wrote(/1 event was running when Irori stopped; it runs again/)
    await noted("end a")
    expect(lines()).toEqual(["begin a", "begin a", "end a"])
  }, 30_000)

  it("are told of as the SDK has set it", async () => {
    const { folder, noted, start } = household()
    const irori = await start()
    const client = clientOf(irori)
    const file = join(folder, "state/destinations/told.jsonl")
    const DestinationConfig = { OnFailure: { Destination: `file://${file}` } }
    await client.send(
      new PutFunctionEventInvokeConfigCommand({ FunctionName: "failing", MaximumRetryAttempts: 1, DestinationConfig })
    )
    const config = await client.send(new GetFunctionEventInvokeConfigCommand({ FunctionName: "failing" }))
    expect(config).toMatchObject({ MaximumRetryAttempts: 1, LastModified: expect.any(Date), DestinationConfig })
    await send(irori, "failing", { the: "event" })
    const told = async (): Promise<string> => {
      for (;;) {
        try {
          const text = readFileSync(file, "utf8")
          if (text.endsWith("\n")) return text
        } catch {
          // It is not there yet.
        }
        await Bun.sleep(20)
      }
    }
    expect(JSON.parse(await told())).toMatchObject({
      requestContext: { condition: "RetriesExhausted", approximateInvokeCount: 2 },
      requestPayload: { the: "event" },
      responseContext: { functionError: "Unhandled" },
      responsePayload: { errorType: "Error", errorMessage: "no" }
    })
    const answer = await client.send(
      new InvokeAsyncCommand({ FunctionName: "slow", InvokeArgs: JSON.stringify({ name: "old", sleep: 0 }) })
    )
    expect(answer.Status).toBe(202)
    await noted("end old")
  }, 30_000)

  it("are refused while as many wait as may", async () => {
    const { lines, start } = household()
    const irori = await start({ IRORI_MAX_EVENTS: "3" })
    for (const name of ["a", "b", "c"]) await send(irori, "slow", { name, sleep: 5000 })
    const response = await fetch(`${irori.url}/2015-03-31/functions/slow/invocations`, {
      method: "POST",
      body: "{}",
      headers: { "X-Amz-Invocation-Type": "Event" }
    })
    expect(response.status).toBe(429)
    expect(lines().length).toBeLessThanOrEqual(1)
  }, 30_000)
})
