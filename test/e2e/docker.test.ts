/** Two installations of Irori beside each other on one Docker engine, and containers that are neither's. */
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeContainer, namesWith, removeContainer } from "../support/docker.ts"
import { containersOf, newStateDir, start } from "../support/household.ts"
import { workerImage } from "../support/images.ts"
import { invoke, lambdaClient, lambdas } from "../support/lambdas.ts"

const image = await workerImage()

describe("two Iroris on one Docker engine", () => {
  if ("missing" in image) {
    it.skip(`are not tested here: ${image.missing}`)
    return
  }

  const [here, there] = [newStateDir(), newStateDir()]
  const startIn = (stateDir: string) =>
    start({ IRORI_PROVISIONER: "docker", IRORI_FUNCTIONS_DIR: lambdas, WORKER_IMAGE: image.name }, { stateDir })

  /** One that Irori has nothing to do with, and one of an installation whose name begins as this one's does. */
  const strangers = [`irori-test-stranger-${process.pid}`, `irori-test-relative-${process.pid}`] as const

  let one: Awaited<ReturnType<typeof startIn>>
  let other: Awaited<ReturnType<typeof startIn>>

  beforeAll(async () => {
    ;[one, other] = await Promise.all([startIn(here), startIn(there)])
    await Promise.all([answer(one, "warm"), answer(other, "warm")])
    const labels = (await containersOf(here))[0]?.Labels
    const relative = { ...labels, "irori.instance": `${labels?.["irori.instance"]}0` }
    await Effect.runPromise(makeContainer(strangers[0], image.name, { test: "stranger" }))
    await Effect.runPromise(makeContainer(strangers[1], image.name, relative))
  })
  afterAll(async () => {
    for (const name of strangers) await Effect.runPromise(removeContainer(name))
  })

  const answer = async ({ url }: { readonly url: string }, token: string) => {
    const client = lambdaClient(url)
    const { FunctionError, text } = await invoke(client, "small", { token })
    client.destroy()
    expect({ FunctionError, text }).toEqual({ FunctionError: undefined, text: JSON.stringify({ token }) })
  }

  /** What runs and what is left behind of an installation, by name. */
  const stateOf = async (stateDir: string) =>
    Object.fromEntries((await containersOf(stateDir)).map(({ Names, State }) => [Names[0], State]))

  const strangersLeft = () =>
    Effect.runPromise(
      Effect.map(Effect.all([namesWith("test=stranger"), namesWith("created_by=irori")]), (names) =>
        names.flat().filter((name) => strangers.some((stranger) => stranger === name))
      )
    )

  it("have a worker each, and leave each other's alone", async () => {
    expect(Object.values(await stateOf(here))).toEqual(["running"])
    expect(Object.values(await stateOf(there))).toEqual(["running"])
    expect(Object.keys(await stateOf(here))).not.toEqual(Object.keys(await stateOf(there)))
  })

  it("go on without each other: what one leaves when it is killed is not the other's to touch", async () => {
    const [left, kept] = [await stateOf(here), await stateOf(there)]
    await one.stop("SIGKILL")
    await answer(other, "still here")
    expect(await stateOf(there)).toEqual(kept)
    expect(Object.keys(await stateOf(here))).toEqual(Object.keys(left))
  })

  it("clear away at their start what they left themselves, and nothing else", async () => {
    const [left, kept] = [Object.keys(await stateOf(here)), await stateOf(there)]
    one = await startIn(here)
    await expect.poll(() => stateOf(here), { timeout: 5000 }).toEqual({})
    await answer(one, "again")
    const [again] = Object.keys(await stateOf(here))
    expect(left).not.toContain(again)
    expect(await stateOf(there)).toEqual(kept)
    await answer(other, "undisturbed")
    expect(await stateOf(there)).toEqual(kept)
    expect(await strangersLeft()).toEqual([...strangers])
  })

  it("take their own containers with them when they stop in order, and nothing else", async () => {
    const kept = await stateOf(there)
    expect(await one.stop()).toBe(0)
    expect(await stateOf(here)).toEqual({})
    await answer(other, "the last one")
    expect(await stateOf(there)).toEqual(kept)
    expect(await other.stop()).toBe(0)
    expect(await stateOf(there)).toEqual({})
    expect(await strangersLeft()).toEqual([...strangers])
  })
})
