/** Gateway and manager as two processes, which know each other by a token and speak HTTP. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newStateDir, start } from "../support/household.ts"
import { answerOf, errorOf, invoke, lambdaClient, lambdas } from "../support/lambdas.ts"
import { processesWith } from "../support/processes.ts"

type Environment = Readonly<Record<string, string>>

const startManager = (stateDir: string, environment: Environment = {}) =>
  start(
    { IRORI_ROLE: "manager", IRORI_PROVISIONER: "process", IRORI_FUNCTIONS_DIR: lambdas, ...environment },
    { stateDir }
  )

const startGateway = (managerUrl: string, stateDir: string, environment: Environment = {}) =>
  start(
    { IRORI_ROLE: "gateway", IRORI_MANAGER_URL: managerUrl, IRORI_FUNCTIONS_DIR: lambdas, ...environment },
    { stateDir }
  )

type Program = Awaited<ReturnType<typeof start>>
type Client = ReturnType<typeof lambdaClient>

const refusalOf = (client: Client) => invoke(client, "node-wide").catch((refused) => refused)

describe("a gateway and a manager with one state folder", () => {
  const mark = crypto.randomUUID()
  const environment = { TEST_MARK: mark }
  const stateDir = newStateDir()
  let manager: Program
  let gateway: Program
  let client: Client

  beforeAll(async () => {
    manager = await startManager(stateDir, environment)
    gateway = await startGateway(manager.url, stateDir, environment)
    client = lambdaClient(gateway.url, { maxAttempts: 1 })
  })
  afterAll(() => client?.destroy())

  const restartManager = async () => {
    manager = await startManager(stateDir, { ...environment, IRORI_PORT: new URL(manager.url).port })
  }

  /** As many workers at once as the function may have, idle when this is done. */
  const warmUp = async () => {
    // As long as it takes for all of them to be at work at once.
    for (let sleep = 500; ; sleep *= 2) {
      const answers = await Promise.all([1, 2, 3].map(() => answerOf(client, "node-wide", { sleep })))
      const workers = new Set(answers.map(({ worker }) => worker))
      if (workers.size === 3) return workers
    }
  }

  it("run a function, one event after another in the same worker", async () => {
    const first = await answerOf(client, "node", { token: "囲炉裏" })
    expect(first).toMatchObject({ event: { token: "囲炉裏" }, calls: 1 })
    expect(await answerOf(client, "node")).toMatchObject({ worker: first.worker, calls: 2 })
    const { text } = await invoke(client, "node", { numbers: 131_072 })
    expect(text.length).toBe(8 * 131_072 + 2)
  })

  it("have what a function prints in the manager's log", async () => {
    const token = crypto.randomUUID()
    await answerOf(client, "node", { print: token })
    await manager.wrote(new RegExp(token))
  })

  it("answer as one process does when the function throws, in its handler or before it has one", async () => {
    expect(await errorOf(client, "node", { throw: "not with me" })).toMatchObject({
      status: 200,
      FunctionError: "Unhandled",
      errorType: "RangeError",
      errorMessage: "not with me"
    })
    expect(await errorOf(client, "node-broken")).toMatchObject({
      status: 200,
      FunctionError: "Unhandled",
      errorType: "RangeError",
      errorMessage: "no luck today"
    })
  })

  it("answer as one process does when a worker takes too long, and when it ends", async () => {
    const late = await errorOf(client, "node", { sleep: 30_000 })
    expect(late).toMatchObject({
      FunctionError: "Unhandled",
      errorType: "Sandbox.Timedout",
      errorMessage: `RequestId: ${late.requestId} Error: Task timed out after 4.00 seconds`
    })
    const ended = await errorOf(client, "node", { exit: 3 })
    expect(ended).toMatchObject({
      FunctionError: "Unhandled",
      errorType: "Runtime.ExitError",
      errorMessage: `RequestId: ${ended.requestId} Error: Runtime exited with error: exit status 3`
    })
    expect(await answerOf(client, "node")).toMatchObject({ calls: 1 })
  })

  it("have an invocation wait that comes while the manager starts again", async () => {
    const old = await warmUp()
    await manager.stop("SIGKILL")
    const [{ calls, worker }] = await Promise.all([answerOf(client, "node-wide"), restartManager()])
    expect(calls).toBe(1)
    expect(old).not.toContain(worker)
    expect(gateway.output()).not.toMatch(/^\s+at /m)
  })

  it("lose no invocation to workers that went with a manager that is back", async () => {
    const old = await warmUp()
    await manager.stop("SIGKILL")
    await restartManager()
    const { calls, worker } = await answerOf(client, "node-wide")
    expect(calls).toBe(1)
    expect(old).not.toContain(worker)
  })

  it("end in order, each by itself, and leave no worker behind", async () => {
    const workers = () => processesWith(`TEST_MARK=${mark}`).filter((line) => !line.includes("src/main.ts"))
    expect(workers()).not.toEqual([])
    expect(await gateway.stop()).toBe(0)
    expect((await fetch(`${manager.url}/health`)).status).toBe(200)
    expect(await manager.stop()).toBe(0)
    expect(workers()).toEqual([])
  })
})

describe("a gateway and a manager with a state folder each", () => {
  it("know each other by the token they were given, and by no other", async () => {
    const [one, another] = ["a-token-that-is-long-enough-1", "a-token-that-is-long-enough-2"]
    const manager = await startManager(newStateDir(), { IRORI_MANAGER_TOKEN: one })
    const [friend, stranger] = await Promise.all([
      startGateway(manager.url, newStateDir(), { IRORI_MANAGER_TOKEN: one }),
      startGateway(manager.url, newStateDir(), { IRORI_MANAGER_TOKEN: another })
    ])
    expect(await answerOf(lambdaClient(friend.url), "node-wide")).toMatchObject({ calls: 1 })

    const refused = await refusalOf(lambdaClient(stranger.url, { maxAttempts: 1 }))
    expect(refused).toMatchObject({ $metadata: { httpStatusCode: 502 } })
    expect(refused.message).toContain(`The manager at ${manager.url} refuses this gateway's token`)
    await stranger.wrote(/ERROR .*refuses this gateway's token/)
    expect(refused.message + stranger.output() + manager.output()).not.toMatch(/a-token-that-is-long/)
    expect(await Promise.all([friend.stop(), stranger.stop()])).toEqual([0, 0])
    expect(await manager.stop()).toBe(0)
  })

  it("say in an error of AWS's and in one line of the log that there is no manager", async () => {
    const managerUrl = "http://127.0.0.1:9"
    const gateway = await startGateway(managerUrl, newStateDir(), { ORCHESTRATOR_TIMEOUT: "1" })
    const refused = await refusalOf(lambdaClient(gateway.url, { maxAttempts: 1 }))
    expect(refused).toMatchObject({ name: "ResourceNotReadyException", $metadata: { httpStatusCode: 502 } })
    expect(refused.message).toContain(`The manager at ${managerUrl} `)
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200)
    await gateway.wrote(/ 502/)
    const errors = gateway
      .output()
      .split("\n")
      .filter((line) => line.includes(" ERROR "))
    expect(errors).toHaveLength(1)
    expect(errors[0]).toContain(`The manager at ${managerUrl} `)
    expect(gateway.output()).not.toMatch(/^\s+at /m)
    expect(await gateway.stop()).toBe(0)
  })
})
