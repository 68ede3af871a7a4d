/** A function that invokes itself without end, by AWS's own client, which hands the trace on by itself. */
import { type LambdaClient, PutFunctionRecursionConfigCommand } from "@aws-sdk/client-lambda"
import { beforeAll, describe, expect, it } from "vitest"
import { maxChainedInvocations } from "../../src/domain/Lineage.ts"
import { start } from "../support/household.ts"
import { answerOf, invoke, lambdaClient, lambdas } from "../support/lambdas.ts"

describe("a function that invokes itself", () => {
  let irori: Awaited<ReturnType<typeof start>>
  let client: LambdaClient

  beforeAll(async () => {
    irori = await start({ IRORI_FUNCTIONS_DIR: lambdas, IRORI_MEMORY_BUDGET: "20000" })
    client = lambdaClient(irori.url)
  })

  const runsOf = (mark: string) => irori.output().match(new RegExp(`${mark}: run \\d+`, "g"))?.length ?? 0

  it("is stopped after sixteen, when it does not wait for itself, and the event is told of as failed", async () => {
    const mark = crypto.randomUUID()
    const order = { endpoint: irori.url, limit: 100, mark, type: "Event" }
    const taken = await invoke(client, "loop", order as object, { InvocationType: "Event" })
    expect(taken.StatusCode).toBe(202)
    await irori.wrote(/"condition":"RetriesExhausted"|condition=RetriesExhausted/)
    expect(runsOf(mark)).toBe(maxChainedInvocations)
    expect(await answerOf(client, "node", { token: "alive" })).toMatchObject({ event: { token: "alive" } })
  })

  it("goes on when it may", async () => {
    await client.send(new PutFunctionRecursionConfigCommand({ FunctionName: "loop", RecursiveLoop: "Allow" }))
    const mark = crypto.randomUUID()
    const order = { endpoint: irori.url, limit: 40, mark, type: "Event" }
    await invoke(client, "loop", order as object, { InvocationType: "Event" })
    await irori.wrote(new RegExp(`${mark}: run 40`))
    await client.send(new PutFunctionRecursionConfigCommand({ FunctionName: "loop", RecursiveLoop: "Terminate" }))
  })

  it("is stopped after sixteen that wait for each other, and learns why", async () => {
    const mark = crypto.randomUUID()
    const order = { endpoint: irori.url, limit: 25, mark, type: "RequestResponse" }
    const { text } = await invoke(client, "loop", order as object)
    expect(JSON.parse(text)).toEqual({
      depth: maxChainedInvocations,
      refused: "RecursiveInvocationException",
      status: 400,
      text: expect.stringContaining("recursive loop")
    })
    expect(runsOf(mark)).toBe(maxChainedInvocations)
    expect(await answerOf(client, "node", { token: "alive" })).toMatchObject({ event: { token: "alive" } })
  })
})
