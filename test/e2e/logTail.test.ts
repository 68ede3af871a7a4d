/** The end of an invocation's log with its answer, as AWS's own client asks for it. */
import { InvokeWithResponseStreamCommand, type LambdaClient } from "@aws-sdk/client-lambda"
import { beforeAll, describe, expect, it } from "vitest"
import { hasProgram } from "../support/docker.ts"
import { start } from "../support/household.ts"
import { nodeBaseImage } from "../support/images.ts"
import { nodeImages } from "../support/lambdaImages.ts"
import { invoke, lambdaClient, lambdas, type Order } from "../support/lambdas.ts"

const base = await nodeBaseImage()
const images = await nodeImages()

const invokeTailed = async (client: LambdaClient, name: string, order: Order = {}) => {
  const answer = await invoke(client, name, order, { LogType: "Tail" })
  return { ...answer, log: Buffer.from(answer.LogResult ?? "", "base64").toString() }
}

const report = (id: string | undefined, memory: number, isCold: boolean) =>
  `REPORT RequestId: ${id}\\tDuration: \\d+\\.\\d\\d ms\\tBilled Duration: \\d+ ms\\tMemory Size: ${memory} MB` +
  `\\tMax Memory Used: [1-9]\\d* MB\\t${isCold ? "Init Duration: [1-9]\\d*\\.\\d\\d ms\\t" : ""}\\n`

const logOf = (id: string | undefined, output: string, { memory = 128, isCold = false } = {}) =>
  new RegExp(
    `^START RequestId: ${id} Version: \\$LATEST\\n${output}END RequestId: ${id}\\n${report(id, memory, isCold)}$`
  )

const consoleLine = (id: string | undefined, text: string) =>
  `\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z\\t${id}\\tINFO\\t${text}\\n`

describe.each([
  { title: "one process", isSplit: false },
  { title: "gateway and manager apart", isSplit: true }
])("X-Amz-Log-Type: Tail, $title", ({ isSplit }) => {
  let client: LambdaClient

  beforeAll(async () => {
    const environment = { IRORI_PROVISIONER: "process", IRORI_FUNCTIONS_DIR: lambdas }
    if (!isSplit) client = lambdaClient((await start(environment)).url)
    else {
      const manager = await start({ ...environment, IRORI_ROLE: "manager" })
      const token = { stateDir: manager.stateDir }
      const gateway = await start({ ...environment, IRORI_ROLE: "gateway", IRORI_MANAGER_URL: manager.url }, token)
      client = lambdaClient(gateway.url)
    }
  })

  it("tells what a Node.js function prints, and its initialisation after a cold start alone", async () => {
    const cold = await invokeTailed(client, "node", { print: "cold" })
    const about = { memory: 1769 }
    expect(cold.log).toMatch(logOf(cold.requestId, consoleLine(cold.requestId, "cold"), { ...about, isCold: true }))
    for (let round = 0; round < 5; round++) {
      const warm = await invokeTailed(client, "node", { print: `warm ${round}` })
      expect(warm.log).toMatch(logOf(warm.requestId, consoleLine(warm.requestId, `warm ${round}`), about))
    }
    expect((await invoke(client, "node", { print: "unasked" })).LogResult).toBeUndefined()
    const silent = await invokeTailed(client, "node")
    expect(silent.log).toMatch(logOf(silent.requestId, "", about))
  })

  it("tells no initialisation of a worker whose first event did not ask", async () => {
    await invoke(client, "bootstrap")
    const second = await invokeTailed(client, "bootstrap", { print: "as it is" })
    expect(second.log).toMatch(logOf(second.requestId, "as it is\\n"))
  })

  it.skipIf(!hasProgram("python3"))("tells what a Python function prints, as it is", async () => {
    const { log, requestId } = await invokeTailed(client, "python", { print: "囲炉裏" })
    expect(log).toMatch(logOf(requestId, "囲炉裏\\n", { isCold: true }))
  })

  it("is the last 4 KB", async () => {
    const { log, requestId } = await invokeTailed(client, "node", { print: "y".repeat(5000) })
    expect(Buffer.byteLength(log)).toBe(4096)
    expect(log).toMatch(new RegExp(`^y+\\nEND RequestId: ${requestId}\\n${report(requestId, 1769, false)}$`))
  })

  it("gives each of several at once its own", async () => {
    const answers = await Promise.all(
      ["one", "two", "three"].map(async (word) => {
        const answer = await invokeTailed(client, "node-wide", { print: word, sleep: 300 })
        return { ...answer, word }
      })
    )
    for (const { log, requestId, word } of answers) {
      expect(log).toContain(`START RequestId: ${requestId} Version: $LATEST\n`)
      expect(log.match(/\tINFO\t.*/g)).toEqual([`\tINFO\t${word}`])
    }
  })

  it("comes with the errors of a function, with its timeout and with its end", async () => {
    const thrown = await invokeTailed(client, "node", { print: "before", throw: "no luck" })
    expect(thrown.FunctionError).toBe("Unhandled")
    expect(thrown.log).toMatch(/\tINFO\tbefore\n.*\tERROR\tInvoke Error \t\{"errorType":"RangeError"/)
    const late = await invokeTailed(client, "bootstrap", { print: "slowly", sleep: 30_000 })
    expect(late).toMatchObject({ FunctionError: "Unhandled", text: expect.stringContaining("Sandbox.Timedout") })
    expect(late.log).toMatch(new RegExp(`Version: \\$LATEST\\nslowly\\nEND RequestId: ${late.requestId}\\nREPORT `))
    const durationMillis = Number(/\tDuration: ([\d.]+) ms/.exec(late.log)?.[1])
    expect(durationMillis).toBeGreaterThanOrEqual(3990)
    const ended = await invokeTailed(client, "node", { print: "goodbye", exit: 3 })
    expect(ended).toMatchObject({ FunctionError: "Unhandled", text: expect.stringContaining("exit status 3") })
    expect(ended.log).toMatch(/\tINFO\tgoodbye\nEND .*\nREPORT .*\tMax Memory Used: [1-9]/)
  })

  it("comes at the end of a streamed answer", async () => {
    const { EventStream } = await client.send(
      new InvokeWithResponseStreamCommand({
        FunctionName: "stream",
        LogType: "Tail",
        Payload: new TextEncoder().encode(JSON.stringify({ words: ["one ", "two"] }))
      })
    )
    let text = ""
    let log = ""
    for await (const { InvokeComplete, PayloadChunk } of EventStream ?? []) {
      if (PayloadChunk?.Payload !== undefined) text += new TextDecoder().decode(PayloadChunk.Payload)
      if (InvokeComplete?.LogResult !== undefined) log = Buffer.from(InvokeComplete.LogResult, "base64").toString()
    }
    expect(text).toBe("one two")
    expect(log).toMatch(/^START RequestId: \S+ Version: \$LATEST\nEND RequestId: \S+\nREPORT .*\tInit Duration: /)
  })
})

describe("X-Amz-Log-Type: Tail, in Docker", () => {
  const missing = "missing" in base ? base.missing : "missing" in images ? images.missing : undefined
  if (missing !== undefined || "missing" in base || "missing" in images) {
    it.skip(`is not tested here: ${missing}`)
    return
  }

  let client: LambdaClient

  beforeAll(async () => {
    const { url } = await start({
      IRORI_PROVISIONER: "docker",
      IRORI_FUNCTIONS_DIR: lambdas,
      IRORI_BASE_IMAGES: `nodejs22.x=${base.name}`,
      NODE_IMAGE: images.names.working
    })
    client = lambdaClient(url)
  }, 60_000)

  it("tells what is printed just before the answer, in container after container and event after event", async () => {
    const cold = await invokeTailed(client, "node", { print: "cold" })
    const about = { memory: 1769 }
    expect(cold.log).toMatch(logOf(cold.requestId, consoleLine(cold.requestId, "cold"), { ...about, isCold: true }))
    for (let round = 0; round < 5; round++) {
      const warm = await invokeTailed(client, "node", { print: `warm ${round}` })
      expect(warm.log).toMatch(logOf(warm.requestId, consoleLine(warm.requestId, `warm ${round}`), about))
    }
  })

  it("tells what an image's function prints, and not what its emulator does", async () => {
    const { log, requestId } = await invokeTailed(client, "rie", { print: "by its emulator" })
    expect(log).toMatch(/\tINFO\tby its emulator\n/)
    expect(log.match(/^(START|END|REPORT) RequestId: \S+/gm)).toEqual([
      `START RequestId: ${requestId}`,
      `END RequestId: ${requestId}`,
      `REPORT RequestId: ${requestId}`
    ])
  })
})
