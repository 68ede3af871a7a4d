/** What a `kill -9` of each process costs: the events in flight, and nothing else. */
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { containersOf, newStateDir, start } from "../support/household.ts"
import { workerImage } from "../support/images.ts"
import { nodeImages } from "../support/lambdaImages.ts"
import { type Answer, lambdas } from "../support/lambdas.ts"

type Program = Awaited<ReturnType<typeof start>>
type Environment = Readonly<Record<string, string>>

const portOf = ({ url }: Program) => new URL(url).port
const file = (stateDir: string, name: string) => readFileSync(join(stateDir, name), "utf8").trim()

interface Listed {
  readonly id: string
  readonly function_name: string
  readonly transport: string
  readonly gateway?: string
}

/** What a manager says that there is; to a gateway with that name, or to nobody in particular. */
const sync = async (manager: Program, token: string, gateway?: string): Promise<ReadonlyArray<Listed>> => {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(gateway === undefined ? {} : { "x-irori-gateway": gateway })
  }
  const answer = await fetch(`${manager.url}/containers/sync`, { headers })
  return ((await answer.json()) as { containers: ReadonlyArray<Listed> }).containers
}
const idsOf = (listed: ReadonlyArray<{ readonly id: string }>) => listed.map(({ id }) => id).toSorted()

const until = async <A>(look: () => Promise<A>, isSo: (seen: A) => boolean): Promise<A> => {
  const seen = await look()
  return isSo(seen) ? seen : until(look, isSo)
}

/** A caller whose client does not try again by itself. */
const caller = (program: Program, name: string) => {
  const path = `/2015-03-31/functions/${name}/invocations`
  return async (order: object = {}): Promise<Answer> => {
    const answer = await fetch(program.url + path, { method: "POST", body: JSON.stringify(order) })
    const text = await answer.text()
    if (!answer.ok || answer.headers.has("x-amz-function-error")) throw new Error(`${answer.status} ${text}`)
    return JSON.parse(text)
  }
}
const times = <A>(count: number, make: (n: number) => Promise<A>) =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)))
const workersOf = (answers: ReadonlyArray<Answer>) => [...new Set(answers.map(({ worker }) => worker))].toSorted()

const functionsDir = newStateDir()
cpSync(join(lambdas, "node"), join(functionsDir, "node"), { recursive: true })
writeFileSync(
  join(functionsDir, "functions.yml"),
  `
functions:
  one: { code: ./node, runtime: nodejs22.x, handler: index.handler, timeout: 20, scaling: { max_capacity: 1 } }
  wide: { code: ./node, runtime: nodejs22.x, handler: index.handler, timeout: 20, scaling: { max_capacity: 3 } }
  long: { code: ./node, runtime: nodejs22.x, handler: index.handler, timeout: 60, scaling: { max_capacity: 1 } }
`
)

const startManager = (stateDir: string, environment: Environment = {}) =>
  start(
    { IRORI_ROLE: "manager", IRORI_PROVISIONER: "process", IRORI_FUNCTIONS_DIR: functionsDir, ...environment },
    { stateDir }
  )
const startGateway = (manager: Program, stateDir: string, environment: Environment = {}) =>
  start(
    { IRORI_ROLE: "gateway", IRORI_MANAGER_URL: manager.url, IRORI_FUNCTIONS_DIR: functionsDir, ...environment },
    { stateDir }
  )

describe("a gateway and a manager as two processes", () => {
  const stateDir = newStateDir()
  let manager: Program
  let gateway: Program
  let token: string
  let name: string

  beforeAll(async () => {
    manager = await startManager(stateDir)
    gateway = await startGateway(manager, stateDir)
    token = file(stateDir, "manager-token")
    name = file(stateDir, "instance")
  })

  const restartGateway = async () => {
    gateway = await startGateway(manager, stateDir, { IRORI_PORT: portOf(gateway) })
  }

  it("a gateway that is killed while events run starts again without a cold start and without a failure", async () => {
    const warm = workersOf(await times(3, () => caller(gateway, "wide")({ sleep: 700 })))
    expect(warm.length).toBe(3)
    const before = idsOf(await sync(manager, token, name))
    const [print, ...running] = [crypto.randomUUID(), 1, 2]
    const cut = running.map(() => caller(gateway, "wide")({ print, sleep: 1500 }).catch(() => "cut"))
    await manager.wrote(new RegExp(`${print}[^]*${print}`))
    await gateway.stop("SIGKILL")
    expect(await Promise.all(cut)).toEqual(["cut", "cut"])
    // The workers that were running finish for nobody; until then they are not to be had.
    for (const count of [1, 3]) {
      await until(
        () => sync(manager, token, name),
        (listed) => listed.length === count
      )
    }

    await restartGateway()
    const answers = await times(12, () => caller(gateway, "wide")({ sleep: 50 }))
    expect(warm).toEqual(expect.arrayContaining(workersOf(answers)))
    expect(workersOf(await times(3, () => caller(gateway, "wide")({ sleep: 300 })))).toEqual(warm)
    expect(idsOf(await sync(manager, token, name))).toEqual(before)
  })

  it("a gateway does not adopt a worker that is still at an event of the one that was killed", async () => {
    const { worker } = await caller(gateway, "long")()
    const print = crypto.randomUUID()
    const cut = caller(gateway, "long")({ print, sleep: 30_000 }).catch(() => "cut")
    await manager.wrote(new RegExp(print))
    await gateway.stop("SIGKILL")
    expect(await cut).toBe("cut")
    await restartGateway()
    const answer = await caller(gateway, "long")()
    expect(answer.worker).not.toBe(worker)
  })

  it("a gateway that is stopped in order leaves its workers to the one that comes", async () => {
    const warm = workersOf(await times(3, () => caller(gateway, "wide")({ sleep: 700 })))
    expect(await gateway.stop()).toBe(0)
    await restartGateway()
    expect(workersOf(await times(3, () => caller(gateway, "wide")({ sleep: 300 })))).toEqual(warm)
  })

  it("a manager that is killed costs the events in flight; whoever waits, or comes meanwhile, is answered", async () => {
    const warm = workersOf(await times(3, () => caller(gateway, "wide")({ sleep: 700 })))
    const prints = [1, 2, 3].map(() => crypto.randomUUID())
    const cut = prints.map((print) => caller(gateway, "wide")({ print, sleep: 20_000 }).catch(() => "cut"))
    await Promise.all(prints.map((print) => manager.wrote(new RegExp(print))))
    // All three places are taken: these wait.
    const waiting = times(4, () => caller(gateway, "wide")())
    await manager.stop("SIGKILL")
    expect(await Promise.all(cut)).toEqual(["cut", "cut", "cut"])
    // These come while there is no manager.
    const coming = times(4, () => caller(gateway, "wide")())
    const others = caller(gateway, "one")()
    manager = await startManager(stateDir, { IRORI_PORT: portOf(manager) })
    const answers = [...(await waiting), ...(await coming)]
    expect(answers.length).toBe(8)
    expect(workersOf(answers).filter((worker) => warm.includes(worker))).toEqual([])
    expect((await others).calls).toBe(1)
  })

  it("a manager that is killed while workers are idle costs nothing but the time of a start", async () => {
    await times(3, () => caller(gateway, "wide")({ sleep: 500 }))
    await manager.stop("SIGKILL")
    const coming = times(3, () => caller(gateway, "wide")({ sleep: 100 }))
    manager = await startManager(stateDir, { IRORI_PORT: portOf(manager) })
    expect((await coming).length).toBe(3)
    expect((await sync(manager, token, name)).every(({ gateway }) => gateway === name)).toBe(true)
  })
})

describe("two gateways on one manager", () => {
  it("keep to their own workers when one of them is killed and starts again", async () => {
    const shared = { IRORI_MANAGER_TOKEN: "a-token-that-all-three-have" }
    const manager = await startManager(newStateDir(), shared)
    const [one, two] = [newStateDir(), newStateDir()]
    const [first, second] = await Promise.all([
      startGateway(manager, one, shared),
      startGateway(manager, two, { ...shared, HEARTBEAT_INTERVAL: "0.3" })
    ])
    const [ofFirst, ofSecond] = await Promise.all([caller(first, "one")(), caller(second, "one")()])
    expect(ofFirst.worker).not.toBe(ofSecond.worker)
    const token = shared.IRORI_MANAGER_TOKEN
    const listed = await sync(manager, token)
    expect(listed.map(({ gateway }) => gateway).toSorted()).toEqual(
      [one, two].map((dir) => file(dir, "instance")).toSorted()
    )

    await first.stop("SIGKILL")
    // Neither its own start nor the other's heartbeats and reconciling take what is another's.
    const again = await startGateway(manager, one, { ...shared, HEARTBEAT_INTERVAL: "0.1" })
    expect(await caller(again, "one")()).toMatchObject({ worker: ofFirst.worker, calls: 2 })
    expect(await caller(second, "one")()).toMatchObject({ worker: ofSecond.worker, calls: 2 })
    expect(idsOf(await sync(manager, token))).toEqual(idsOf(listed))
    expect(await Promise.all([again.stop(), second.stop(), manager.stop()])).toEqual([0, 0, 0])
  })
})

const images = await nodeImages()
const emulated = await workerImage()

describe("workers in Docker", () => {
  if ("missing" in images) {
    it.skip(`are not tested here: ${images.missing}`)
    return
  }
  const imagesDir = newStateDir()
  writeFileSync(
    join(imagesDir, "functions.yml"),
    `
functions:
  posted: { image: "${images.names.working}", timeout: 30, scaling: { max_capacity: 2 }, transport: rie }
  polled: { image: "${images.names.working}", timeout: 30, scaling: { max_capacity: 2 } }
`
  )
  const environment = { IRORI_PROVISIONER: "docker", IRORI_FUNCTIONS_DIR: imagesDir }

  const warmUp = async (program: Program) => {
    const [posted, polled] = await Promise.all([
      times(2, () => caller(program, "posted")({ sleep: 1500 })),
      times(2, () => caller(program, "polled")({ sleep: 1500 }))
    ])
    expect([workersOf(posted).length, workersOf(polled).length]).toEqual([2, 2])
    return { posted: workersOf(posted), polled: workersOf(polled) }
  }
  const namesOf = async (stateDir: string) => (await containersOf(stateDir)).map(({ Names }) => Names[0]!.slice(1))

  it("of the one process are adopted when it is killed, or removed within three seconds of its readiness", async () => {
    const [stateDir, theirs] = [newStateDir(), newStateDir()]
    const [mine, other] = await Promise.all([
      start(environment, { stateDir }),
      start(environment, { stateDir: theirs })
    ])
    const [warm, foreign] = [await warmUp(mine), await warmUp(other)]
    const token = file(stateDir, "manager-token")
    const rie = (listed: ReadonlyArray<Listed>) => idsOf(listed.filter(({ transport }) => transport === "rie"))
    const before = rie(await sync(mine, token))
    expect(before.length).toBe(2)

    await mine.stop("SIGKILL")
    const again = await start(environment, { stateDir })
    const readyAt = performance.now()
    const left = await until(
      () => namesOf(stateDir),
      (names) => names.length === 2
    )
    expect(performance.now() - readyAt).toBeLessThan(3000)
    expect(left.toSorted()).toEqual(before)
    expect(rie(await sync(again, token))).toEqual(before)

    const [posted, polled] = await Promise.all([
      times(2, () => caller(again, "posted")({ sleep: 300 })),
      caller(again, "polled")()
    ])
    expect(workersOf(posted)).toEqual(warm.posted)
    expect(polled.calls).toBe(1)
    // The other installation has the same functions on the same engine, and notices nothing.
    const answers = await Promise.all([
      times(2, () => caller(other, "posted")({ sleep: 300 })),
      times(2, () => caller(other, "polled")({ sleep: 300 }))
    ])
    expect(answers.map(workersOf)).toEqual([foreign.posted, foreign.polled])
    expect(await Promise.all([again.stop(), other.stop()])).toEqual([0, 0])
    expect([await namesOf(stateDir), await namesOf(theirs)]).toEqual([[], []])
  }, 60_000)

  it("of a manager that is killed go on, where events are posted to them, and are replaced where not", async () => {
    const stateDir = newStateDir()
    const manager = await startManager(stateDir, environment)
    const gateway = await startGateway(manager, stateDir, { IRORI_FUNCTIONS_DIR: imagesDir })
    const warm = await warmUp(gateway)
    const running = caller(gateway, "posted")({ sleep: 3000 })
    await manager.stop("SIGKILL")
    const coming = Promise.all([
      times(2, () => caller(gateway, "posted")()),
      times(2, () => caller(gateway, "polled")())
    ])
    const again = await startManager(stateDir, { ...environment, IRORI_PORT: portOf(manager) })
    const [posted, polled] = await coming
    expect(warm.posted).toEqual(expect.arrayContaining(workersOf(posted)))
    expect(workersOf(polled).filter((worker) => warm.polled.includes(worker))).toEqual([])
    // An event that needs no manager is not even in flight for it.
    expect(warm.posted).toContain((await running).worker)
    const name = file(stateDir, "instance")
    const listed = await sync(again, file(stateDir, "manager-token"), name)
    expect(listed.filter(({ function_name }) => function_name === "posted").length).toBe(2)
    expect(await Promise.all([gateway.stop(), again.stop()])).toEqual([0, 0])
    expect(await namesOf(stateDir)).toEqual([])
  }, 60_000)

  it("of a gateway and a manager that are killed are adopted also when the gateway starts first", async () => {
    const stateDir = newStateDir()
    const manager = await startManager(stateDir, environment)
    const gateway = await startGateway(manager, stateDir, { IRORI_FUNCTIONS_DIR: imagesDir })
    const warm = workersOf(await times(2, () => caller(gateway, "posted")({ sleep: 1500 })))
    await Promise.all([gateway.stop("SIGKILL"), manager.stop("SIGKILL")])
    const startingFirst = startGateway(manager, stateDir, { IRORI_FUNCTIONS_DIR: imagesDir })
    // Longer than a gateway takes until it asks its manager.
    await Bun.sleep(1000)
    const second = await startManager(stateDir, { ...environment, IRORI_PORT: portOf(manager) })
    const first = await startingFirst
    await first.wrote(/Adopted 2 running workers, removed 0/)
    expect(workersOf(await times(2, () => caller(first, "posted")({ sleep: 300 })))).toEqual(warm)
    expect(await Promise.all([first.stop(), second.stop()])).toEqual([0, 0])
    expect(await namesOf(stateDir)).toEqual([])
  }, 60_000)

  it("of a gateway that is killed get no other event while they are at one", async () => {
    if ("missing" in emulated) throw new Error(emulated.missing)
    const functionsDir = newStateDir()
    const posted = `{ image: "${emulated.name}", timeout: 20, scaling: { max_capacity: 1 }, transport: rie }`
    writeFileSync(join(functionsDir, "functions.yml"), `functions:\n  posted: ${posted}\n`)
    const stateDir = newStateDir()
    const manager = await startManager(stateDir, {
      ...environment,
      IRORI_FUNCTIONS_DIR: functionsDir,
      // It says which worker has printed a line.
      IRORI_LOG_FORMAT: "json"
    })
    const startAgain = () => startGateway(manager, stateDir, { IRORI_FUNCTIONS_DIR: functionsDir })
    const listed = () => sync(manager, file(stateDir, "manager-token"), file(stateDir, "instance"))
    /** The worker that prints. */
    const whoPrints = async (gateway: Program) => {
      const print = crypto.randomUUID()
      const called = caller(gateway, "posted")({ print })
      const [line] = await manager.wrote(new RegExp(`.*${print}.*`))
      await called
      return /lambda-posted-[0-9a-f]+/.exec(line)?.[0]
    }

    const first = await startAgain()
    const idle = await whoPrints(first)
    await first.stop("SIGKILL")
    const second = await startAgain()
    expect(await whoPrints(second)).toBe(idle)

    const print = crypto.randomUUID()
    const cut = caller(second, "posted")({ print, sleep: 15_000 }).catch(() => "cut")
    await manager.wrote(new RegExp(print))
    await second.stop("SIGKILL")
    expect(await cut).toBe("cut")
    expect(await listed()).toEqual([])
    const third = await startAgain()
    expect(await whoPrints(third)).not.toBe(idle)
    expect((await listed()).map(({ id }) => id)).not.toContain(idle)
    expect(await Promise.all([third.stop(), manager.stop()])).toEqual([0, 0])
    expect(await namesOf(stateDir)).toEqual([])
  }, 60_000)
})
