/**
 * Cold starts beside the same program started by hand, each until it asks for its first event: as a process, and as a
 * container. Then twenty at once, beside the best that the engine does with as many.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Context, Duration, Effect, Exit, Layer, Logger, Scope } from "effect"
import type { FunctionConfig } from "../src/domain/FunctionConfig.ts"
import type { Worker } from "../src/domain/Worker.ts"
import { InvocationBackend } from "../src/invoke/InvocationBackend.ts"
import { PoolManager } from "../src/pool/PoolManager.ts"
import * as LocalProvisionClient from "../src/provision/LocalProvisionClient.ts"
import * as ProcessProvisioner from "../src/provision/ProcessProvisioner.ts"
import { Provisioner } from "../src/provision/Provisioner.ts"
import { RuntimeApi } from "../src/runtime-api/RuntimeApi.ts"
import { engine, noDocker } from "../test/support/docker.ts"
import { codeFolder, dockerLayer, newInstance, nodeFunction } from "../test/support/dockerSubjects.ts"
import { nodeBaseImage } from "../test/support/images.ts"
import { type Bench, inTurns, type Row, type Scale, type Skipped } from "./Bench.ts"
import { workerCommand, workerVariables } from "./Server.ts"

/** A Runtime API that only hears that a worker asks for its first event, as many as there are. */
const firstNexts = () => {
  let asked = 0
  let wake = () => {}
  const server = Bun.serve({
    hostname: "0.0.0.0",
    port: 0,
    idleTimeout: 0,
    fetch: () =>
      new Promise<Response>(() => {
        asked++
        wake()
      })
  })
  const until = (count: number) =>
    new Promise<void>((reached) => {
      wake = () => {
        if (asked >= count) reached()
      }
      wake()
    })
  return { port: server.port, until, stop: () => server.stop(true) }
}

const since = async (what: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await what()
  return performance.now() - begun
}

/** The provisioner, which starts a worker and is rid of it again. */
const provisioning = async <E>(layer: Layer.Layer<Provisioner | RuntimeApi, E>) => {
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Scope.provide(Layer.build(layer), scope))
  const provisioner = Context.get(context, Provisioner)
  const run = <A, F>(effect: Effect.Effect<A, F>) => Effect.runPromise(effect.pipe(Effect.provideContext(context)))
  return {
    context,
    start: async (config: FunctionConfig): Promise<number> => {
      let worker: Worker | undefined
      const millis = await since(async () => {
        worker = await run(provisioner.start(config))
      })
      if (worker !== undefined) await run(provisioner.stop(worker.id))
      return millis
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const processByHand = async (taskRoot: string): Promise<number> => {
  const api = firstNexts()
  const [program, ...args] = workerCommand()
  const millis = await since(async () => {
    const child = spawn(program!, args, {
      stdio: ["ignore", "ignore", "inherit"],
      cwd: taskRoot,
      env: {
        PATH: process.env.PATH,
        ...workerVariables(taskRoot),
        _HANDLER: "echo.handler",
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${api.port}`
      }
    })
    await api.until(1)
    child.kill("SIGKILL")
    await once(child, "exit")
  })
  api.stop()
  return millis
}

const processRow = async ({ rounds, isShort }: Scale, code: string): Promise<Row> => {
  const ours = await provisioning(
    ProcessProvisioner.layer({
      owner: { region: "us-east-1", accountId: "123456789012" },
      initTimeout: Duration.seconds(10),
      path: process.env.PATH ?? ""
    }).pipe(Layer.provideMerge(RuntimeApi.layer), Layer.provideMerge(Logger.layer([])))
  )
  try {
    const config = nodeFunction(code, "echo.handler")
    const measured = await inTurns(isShort ? 1 : rounds * 3, {
      ours: () => ours.start(config),
      theirs: () => processByHand(code)
    })
    return {
      what: "a process until its first next",
      against: "spawned by hand",
      unit: "ms",
      digits: 0,
      ...measured,
      bar: { most: 1.15 }
    }
  } finally {
    await ours.close()
  }
}

/** The address by which containers reach this machine. */
const bridgeAddress = async (): Promise<string> => {
  const answer = await engine("GET", "/networks/bridge")
  const { IPAM } = (await answer.json()) as { readonly IPAM: { readonly Config: ReadonlyArray<{ Gateway?: string }> } }
  return IPAM.Config[0]?.Gateway ?? "172.17.0.1"
}

interface Place {
  readonly image: string
  readonly code: string
  readonly host: string
}

const variables = (api: string) =>
  Object.entries({ ...workerVariables("/var/task"), _HANDLER: "echo.handler", AWS_LAMBDA_RUNTIME_API: api })

let made = 0
const nextName = () => `irori-bench-${process.pid}-${++made}`

const remove = async (name: string): Promise<void> => {
  const answer = await engine("DELETE", `/containers/${name}?force=1&v=1`)
  await answer.text()
}

/** As a person would: with Docker's own client. */
const dockerRun = async ({ code, host, image }: Place): Promise<number> => {
  const api = firstNexts()
  const name = nextName()
  const env = variables(`${host}:${api.port}`).flatMap(([key, value]) => ["-e", `${key}=${value}`])
  const args = ["run", "--rm", "--name", name, ...env, "-v", `${code}:/var/task:ro`, image, "echo.handler"]
  const child = spawn("docker", args, { stdio: ["ignore", "ignore", "inherit"] })
  try {
    return await since(() => api.until(1))
  } finally {
    const ended = once(child, "exit")
    await remove(name)
    await ended
    api.stop()
  }
}

/** `count` containers by the engine's API and nothing else, so many at a time; until all have asked. */
const engineStarts = async ({ code, host, image }: Place, count: number, atOnce: number): Promise<number> => {
  const api = firstNexts()
  const names = Array.from({ length: count }, nextName)
  const queue = [...names]
  const startOne = async (name: string): Promise<void> => {
    const created = await engine(
      "POST",
      `/containers/create?name=${name}`,
      JSON.stringify({
        Image: image,
        Cmd: ["echo.handler"],
        Env: variables(`${host}:${api.port}`).map(([key, value]) => `${key}=${value}`),
        HostConfig: { Binds: [`${code}:/var/task:ro`] }
      })
    )
    if (!created.ok) throw new Error(await created.text())
    const started = await engine("POST", `/containers/${name}/start`)
    if (!started.ok) throw new Error(await started.text())
  }
  const lane = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) await startOne(name)
  }
  try {
    return await since(async () => {
      await Promise.all(Array.from({ length: atOnce }, lane))
      await api.until(count)
    })
  } finally {
    for (const name of names) await remove(name)
    api.stop()
  }
}

/** Waits for the workers of `count` callers that come at once, and lets them go. */
const firstCalls = async (layer: Layer.Layer<InvocationBackend, unknown>, config: FunctionConfig, count: number) => {
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Scope.provide(Layer.build(layer), scope))
  const backend = Context.get(context, InvocationBackend)
  const all = Effect.forEach(Array.from({ length: count }), () => backend.acquireWorker(config), {
    concurrency: "unbounded"
  })
  let lent: ReadonlyArray<Worker> = []
  const millis = await since(async () => {
    lent = await Effect.runPromise(all)
  })
  for (const worker of lent) await Effect.runPromise(backend.releaseWorker(worker))
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return millis
}

const containerRows = async (scale: Scale, code: string): Promise<ReadonlyArray<Row | Skipped>> => {
  const base = noDocker === undefined ? await nodeBaseImage() : { missing: noDocker }
  if ("missing" in base) return [{ what: "a container until its first next", skipped: base.missing }]
  const place = { image: base.name, code, host: await bridgeAddress() }
  const baseImages = new Map([["nodejs22.x", base.name]])
  const ours = await provisioning(dockerLayer(newInstance(), { baseImages }))
  const count = scale.isShort ? 2 : 20
  const config = nodeFunction(code, "echo.handler", {
    maxCapacity: count,
    timeout: Duration.seconds(60),
    acquireTimeout: Duration.seconds(60)
  })
  const one = await inTurns(scale.rounds, { ours: () => ours.start(config), theirs: () => dockerRun(place) }).finally(
    ours.close
  )
  const pools = () =>
    PoolManager.layer({
      budget: { workers: 1000, megabytes: 1_000_000 },
      leaveRunning: false,
      refusesOverload: true
    }).pipe(Layer.provide(LocalProvisionClient.layer), Layer.provide(dockerLayer(newInstance(), { baseImages })))
  // The engine's best is looked for once, with fewer.
  let best = { atOnce: 2, millis: Number.POSITIVE_INFINITY }
  for (const atOnce of scale.isShort ? [2] : [1, 2, 3, 4, 8]) {
    const millis = await engineStarts(place, Math.min(8, count), atOnce)
    if (millis < best.millis) best = { atOnce, millis }
  }
  const many = await inTurns(scale.isShort ? 1 : Math.min(5, scale.rounds), {
    ours: () => firstCalls(pools(), config, count),
    theirs: () => engineStarts(place, count, best.atOnce)
  })
  const unit = { unit: "ms", digits: 0 }
  return [
    { what: "a container until its first next", against: "docker run", ...unit, ...one, bar: { most: 1.1 } },
    {
      what: `${count} first calls at once to one function`,
      against: `the engine's API, ${best.atOnce} at a time`,
      ...unit,
      ...many,
      bar: { most: 1.2 },
      note: "of 1, 2, 3, 4 and 8 at a time, what was the fastest for the engine by itself"
    }
  ]
}

export const coldStart: Bench = {
  name: "cold-start",
  title: "Cold starts",
  run: async (scale) => {
    const code = codeFolder({ "echo.mjs": "export const handler = async (event) => event\n" })
    try {
      return [await processRow(scale, code.path), ...(await containerRows(scale, code.path))]
    } finally {
      code.remove()
    }
  }
}
