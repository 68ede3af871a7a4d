/**
 * A Docker engine that gets stuck, and everything that does not get stuck with it. The stall is shortened; with
 * IRORI_TEST_STALL_SECONDS=30 it is as long as the founding plan says.
 */
import process from "node:process"
import { Effect, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EngineProxy, engineProxy } from "../support/engineProxy.ts"
import { containersOf, start } from "../support/household.ts"
import { workerImage } from "../support/images.ts"
import { answerOf, invoke, lambdaClient, lambdas } from "../support/lambdas.ts"

const stallSeconds = Number(process.env.IRORI_TEST_STALL_SECONDS ?? 6)
/** Of one Docker operation. */
const timeoutSeconds = stallSeconds / 2

const image = await workerImage()
/** A name that nobody answers for, so that fetching it fails as soon as it is let go. */
const absent = "127.0.0.1:9/irori-test/absent:1"

const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!
/** The largest but one. */
const second = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => b - a)[1]!

describe("a Docker engine that is stuck", () => {
  if ("missing" in image) {
    it.skip(`is not tested here: ${image.missing}`)
    return
  }

  const scope = Effect.runSync(Scope.make())
  let engine: EngineProxy
  let irori: Awaited<ReturnType<typeof start>>
  let client: ReturnType<typeof lambdaClient>
  let stuckSince: number

  beforeAll(async () => {
    engine = await Effect.runPromise(Scope.provide(engineProxy(), scope))
    irori = await start({
      IRORI_PROVISIONER: "auto",
      IRORI_FUNCTIONS_DIR: lambdas,
      DOCKER_HOST: engine.host,
      DOCKER_CLIENT_TIMEOUT: String(timeoutSeconds),
      WORKER_IMAGE: image.name,
      ABSENT_IMAGE: absent
    })
    client = lambdaClient(irori.url, { maxAttempts: 1 })
  })
  afterAll(async () => {
    client?.destroy()
    engine?.release()
    await irori?.stop()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  /** Milliseconds that each of 40 requests took, one after the other. */
  const measureHealth = async () => {
    const times: Array<number> = []
    for (let count = 0; count < 40; count++) {
      const since = performance.now()
      const answer = await fetch(`${irori.url}/health`)
      await answer.arrayBuffer()
      times.push(performance.now() - since)
      expect(answer.status).toBe(200)
    }
    return times
  }

  /** The machine has other things to do: one answer of the forty may be late, and one round of three has to be good. */
  const expectHealthAtOnce = async () => {
    let times = await measureHealth()
    for (let round = 1; round < 3 && second(times) >= 50; round++) times = await measureHealth()
    expect(median(times)).toBeLessThan(50)
    expect(second(times)).toBeLessThan(50)
  }

  const refusalOf = (name: string) => invoke(client, name).catch((error) => error)

  let stuck: ReadonlyArray<Promise<Awaited<ReturnType<typeof refusalOf>>>>

  it("holds whoever needs it", async () => {
    // One fetches its image; then nothing is answered any more but what containers are made from.
    engine.when(/^POST \/images\/create/, { is: "hold" })
    const fetching = refusalOf("fetched")
    await Effect.runPromise(engine.until(/^POST \/images\/create/))
    engine.when(/^(?!GET \/(networks|images)\/)/, { is: "hold" })
    stuckSince = performance.now()
    const creating = [refusalOf("small"), refusalOf("small")]
    await Effect.runPromise(engine.until(/^POST \/containers\/create.*lambda-small/, 2))
    // It follows the engine's events: when they break off it asks for them, and for what there is, again.
    engine.cut(/^GET \/events/)
    await Effect.runPromise(engine.until(/^GET \/events/, 2))
    stuck = [fetching, ...creating]
    const first = await Promise.race([...stuck, new Promise((still) => setTimeout(still, 200, "still waiting"))])
    expect(first).toBe("still waiting")
  })

  it("does not keep /health from answering within 50 ms", async () => {
    await expectHealthAtOnce()
  })

  it("does not keep functions in processes from running, nor their lines from the log", async () => {
    const token = crypto.randomUUID()
    const { event } = await answerOf(client, "node-wide", { token, print: `printed ${token}` })
    expect(event.token).toBe(token)
    await irori.wrote(new RegExp(`printed ${token}`))
    await irori.wrote(/POST \/2015-03-31\/functions\/node-wide\/invocations 200/)
  })

  it("is given up after DOCKER_CLIENT_TIMEOUT, with an error of AWS's and a line in the log", {
    timeout: 60_000
  }, async () => {
    for (const refused of await Promise.all(stuck)) {
      expect(refused).toMatchObject({
        name: "ResourceNotReadyException",
        $metadata: { httpStatusCode: 502 }
      })
      expect(refused.message).toMatch(/Docker did not answer within .*\((create|pull)\); is the engine overloaded\?/)
    }
    const waited = (performance.now() - stuckSince) / 1000
    expect(waited).toBeGreaterThan(0.9 * timeoutSeconds)
    // Whether it made something after all is waited for a little.
    expect(waited).toBeLessThan(timeoutSeconds + 4)
    await irori.wrote(/ERROR .*Lambda invocation failed for function 'small'.*Docker did not answer within/)
    await irori.wrote(/ERROR .*Lambda invocation failed for function 'fetched'.*Docker did not answer within/)
  })

  it("is used again when it answers, and what it was asked for in vain does not stay", {
    timeout: 60_000
  }, async () => {
    const left = stuckSince + 1000 * stallSeconds - performance.now()
    await new Promise((over) => setTimeout(over, Math.max(0, left)))
    await expectHealthAtOnce()
    engine.release()
    const { FunctionError, text } = await invoke(client, "small", { token: "at last" })
    expect({ FunctionError, text }).toEqual({ FunctionError: undefined, text: '{"token":"at last"}' })
    // The two that the engine makes now, for callers that have gone, go too.
    const names = async () => (await containersOf(irori.stateDir)).map(({ State }) => State)
    await expect.poll(names, { timeout: 15_000 }).toEqual(["running"])
    expect(await irori.stop()).toBe(0)
    expect(await names()).toEqual([])
  })
})
