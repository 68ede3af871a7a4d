/** Callers by the hundred over a function with little room, a third of whom leave before they are answered. */
import { describe, expect, it } from "vitest"
import { containersOf, start } from "../support/household.ts"
import { nodeBaseImage } from "../support/images.ts"
import type { Irori } from "../support/irori.ts"
import { type Answer, answerOf, lambdaClient, lambdas, type Order } from "../support/lambdas.ts"
import { processesWith } from "../support/processes.ts"

const base = await nodeBaseImage()

const callers = 200
/** Of `node-wide`. */
const capacity = 3
/** Most of those who leave do so by then, most of them while they wait. Each eighth leaves while it is served. */
const leaveWithinMillis = 1000

/** The same moments in each run. */
const randoms = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return seed / 2_147_483_648
}

type Fate = "left" | { readonly status: number; readonly token: string; readonly answer: Partial<Answer> }

/** One caller. `leaving` is when it leaves, told its token; one without stays. */
const call = async (url: string, order: Order, leaving?: (token: string) => Promise<unknown>): Promise<Fate> => {
  const token = crypto.randomUUID()
  const leave = new AbortController()
  void leaving?.(token).then(() => leave.abort())
  try {
    const response = await fetch(`${url}/2015-03-31/functions/node-wide/invocations`, {
      method: "POST",
      body: JSON.stringify({ ...order, token, print: `has ${token}` }),
      signal: leave.signal
    })
    return { status: response.status, token, answer: (await response.json()) as Partial<Answer> }
  } catch (error) {
    if (leave.signal.aborted) return "left"
    throw error
  }
}

/** All of them at once; `left` is how many workers there are, by whatever tells. */
const storm = async ({ url, wrote }: Irori, left: () => Promise<number> | number) => {
  const random = randoms(20_261_121)
  const atSomeMoment = (wait: number) => () => new Promise((leave) => setTimeout(leave, wait))
  const whenItRuns = (token: string) => wrote(new RegExp(`has ${token}`))
  const fates = await Promise.all(
    Array.from({ length: callers }, (_, index) => {
      if (index % 3 !== 0) return call(url, { sleep: 2 })
      if (index % 24 === 0) return call(url, { sleep: 10_000 }, whenItRuns)
      return call(url, { sleep: 20 }, atSomeMoment(random() * leaveWithinMillis))
    })
  )
  const answered = fates.filter((fate) => fate !== "left")
  const wrong = answered.filter(({ answer, status, token }) => status !== 200 || answer.event?.token !== token)
  expect(wrong).toEqual([])
  // Whoever stayed has an answer, and more workers have given them than there is room for: some were lost on the way.
  expect(answered.length).toBeGreaterThanOrEqual(callers - Math.ceil(callers / 3))
  expect(fates.length - answered.length).toBeGreaterThan(callers / 10)
  expect(new Set(answered.map(({ answer }) => answer.worker)).size).toBeGreaterThan(capacity)

  const client = lambdaClient(url)
  for (const token of ["one", "two", "three", "four", "five"]) {
    expect((await answerOf(client, "node-wide", { token })).event).toEqual({ token })
  }
  client.destroy()
  // The ends of those workers are not waited for by anybody.
  await expect.poll(left, { timeout: 5000 }).toBeLessThanOrEqual(capacity)
  expect(await left()).toBeGreaterThan(0)
}

describe("a storm of callers, a third of whom leave", () => {
  it("gets no answer wrong and leaves no worker behind, with processes", async () => {
    const mark = crypto.randomUUID()
    const irori = await start({ IRORI_PROVISIONER: "process", IRORI_FUNCTIONS_DIR: lambdas, TEST_MARK: mark })
    const workers = () => processesWith(`TEST_MARK=${mark}`).filter((line) => !line.startsWith(`${irori.pid} `)).length
    await storm(irori, workers)
    expect(await irori.stop()).toBe(0)
    expect(workers()).toBe(0)
  })

  if ("missing" in base) {
    it.skip(`is not tested with containers here: ${base.missing}`)
    return
  }

  it("gets no answer wrong and leaves no worker behind, with containers", { timeout: 40_000 }, async () => {
    const irori = await start({
      IRORI_PROVISIONER: "docker",
      IRORI_BASE_IMAGES: `nodejs22.x=${base.name}`,
      IRORI_FUNCTIONS_DIR: lambdas
    })
    const containers = async () => (await containersOf(irori.stateDir)).length
    await storm(irori, containers)
    expect(await irori.stop()).toBe(0)
    expect(await containers()).toBe(0)
  })
})
