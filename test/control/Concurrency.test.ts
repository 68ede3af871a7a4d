import { Effect, Layer } from "effect"
import { beforeEach, describe, expect, it } from "vitest"
import { Concurrency } from "../../src/control/Concurrency.ts"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import type { StartFailure } from "../../src/domain/Worker.ts"
import { PoolManager, type PoolStats } from "../../src/pool/PoolManager.ts"
import { controlApp, functionArn, ground, owner } from "../support/controlApp.ts"
import { aliasRecord } from "../support/functionRecords.ts"
import { hello } from "../support/functions.ts"

/** What the pools hold is the test's to say; that they were told to look at the functions is written down. */
const fresh = (accountConcurrency = 1000) => {
  let pools: ReadonlyArray<PoolStats> = []
  let reconciled = 0
  const app = controlApp(
    Concurrency.layer({ owner }).pipe(
      Layer.provideMerge(ConcurrencyLimits.layer({ accountConcurrency })),
      Layer.provideMerge(ground),
      Layer.provide(
        Layer.mock(PoolManager, {
          stats: Effect.sync(() => pools),
          reconcile: () => Effect.sync(() => void reconciled++)
        })
      )
    )
  )
  const hold = (version: string, workers: number, startFailure?: StartFailure) => {
    const stats = { functionName: hello, version, idle: workers, lent: 0, starting: 0, waiting: 0, maxCapacity: 10 }
    pools = [...pools.filter((pool) => pool.version !== version), { ...stats, ...(startFailure && { startFailure }) }]
  }
  return { ...app, hold, reconciled: () => reconciled }
}

let { ask, hold, reconciled, runtime } = fresh()
beforeEach(() => {
  ;({ ask, hold, reconciled, runtime } = fresh())
})

const arn = `${functionArn}:hello`

const reserve = (executions: number, name = "hello") =>
  ask(`PUT /2017-10-31/functions/${name}/concurrency`, { ReservedConcurrentExecutions: executions })
const reserved = (name = "hello") => ask(`GET /2019-09-30/functions/${name}/concurrency`)
const free = (name = "hello") => ask(`DELETE /2017-10-31/functions/${name}/concurrency`)

const path = (qualifier: string, name = "hello") =>
  `/2019-09-30/functions/${name}/provisioned-concurrency?Qualifier=${qualifier}`
const provision = (qualifier: string, executions: number, name = "hello") =>
  ask(`PUT ${path(qualifier, name)}`, { ProvisionedConcurrentExecutions: executions })
const provisioned = (qualifier: string, name = "hello") => ask(`GET ${path(qualifier, name)}`)
const unprovision = (qualifier: string, name = "hello") => ask(`DELETE ${path(qualifier, name)}`)
const list = (query = "", name = "hello") =>
  ask(`GET /2019-09-30/functions/${name}/provisioned-concurrency?List=ALL${query}`)

const invalid = (message: string, typed = true) => ({
  status: 400,
  type: "InvalidParameterValueException",
  body: typed ? { Type: "User", message } : { message }
})
const notFound = (Message: string) => ({
  status: 404,
  type: "ResourceNotFoundException",
  body: { Type: "User", Message }
})
const conflict = (message: string) => ({
  status: 409,
  type: "ResourceConflictException",
  body: { Type: "User", message }
})

const unqualified =
  "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."

describe("reserved concurrency", () => {
  it("is what was put, until it is deleted", async () => {
    expect(await reserved()).toMatchObject({ status: 200, body: {} })
    expect(await reserve(5)).toMatchObject({ status: 200, body: { ReservedConcurrentExecutions: 5 } })
    expect(await reserved()).toMatchObject({ status: 200, body: { ReservedConcurrentExecutions: 5 } })
    expect(await reserve(0)).toMatchObject({ status: 200, body: { ReservedConcurrentExecutions: 0 } })
    expect(await reserved()).toMatchObject({ body: { ReservedConcurrentExecutions: 0 } })
    expect(await free()).toMatchObject({ status: 204, body: undefined })
    expect((await reserved()).body).toEqual({})
    expect((await free()).status).toBe(204)
  })

  it.each([
    ["an unknown function", () => reserve(1, "nobody"), notFound(`Function not found: ${functionArn}:nobody:$LATEST`)],
    ["an unknown function, asked for", () => reserved("nobody"), notFound(`Function not found: ${functionArn}:nobody`)],
    ["an unknown function, freed", () => free("nobody"), notFound(`Function not found: ${functionArn}:nobody`)],
    ["a version", () => reserve(1, "hello:1"), invalid(unqualified)],
    ["an alias", () => reserve(1, "hello:live"), invalid(unqualified)],
    ["an alias, asked for", () => reserved("hello:live"), invalid(unqualified)],
    ["a version, freed", () => free("hello:1"), invalid(unqualified)],
    [
      "more than may be reserved",
      () => reserve(901),
      invalid(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
        false
      )
    ],
    [
      "less than nothing",
      () => reserve(-1),
      {
        status: 400,
        type: "ValidationException",
        body: {
          message:
            "1 validation error detected: Value '-1' at 'reservedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 0"
        }
      }
    ]
  ])("refuses: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
  })

  it("leaves 100 unreserved, whoever has the rest", async () => {
    expect((await reserve(500)).status).toBe(200)
    expect((await reserve(401, "other")).status).toBe(400)
    expect((await reserve(400, "other")).status).toBe(200)
    // What a function has is its own to change.
    expect((await reserve(501)).status).toBe(400)
    expect((await reserve(499)).status).toBe(200)
  })

  it("is not lower than what is provisioned", async () => {
    await provision("1", 2)
    expect(await reserve(1)).toEqual(
      invalid(" ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].")
    )
    expect((await reserve(2)).status).toBe(200)
  })
})

const state = (Status: string, requested: number, ready: number) => ({
  RequestedProvisionedConcurrentExecutions: requested,
  AllocatedProvisionedConcurrentExecutions: ready,
  AvailableProvisionedConcurrentExecutions: ready,
  Status,
  LastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/)
})

describe("provisioned concurrency", () => {
  it("is in progress until so many workers of the version are warm", async () => {
    expect(await provision("1", 2)).toEqual({ status: 202, type: null, body: state("IN_PROGRESS", 2, 0) })
    expect((await provisioned("1")).body).toEqual(state("IN_PROGRESS", 2, 0))
    hold("2", 5)
    hold("1", 1)
    expect((await provisioned("1")).body).toEqual(state("IN_PROGRESS", 2, 1))
    hold("1", 3)
    expect((await provisioned("1")).body).toEqual(state("READY", 2, 2))
  })

  it("has failed where the function cannot be initialised, and only there", async () => {
    await provision("live", 2)
    hold("1", 1, { reason: "EngineUnavailable", detail: "no engine" })
    expect((await provisioned("live")).body).toEqual(state("IN_PROGRESS", 2, 1))
    hold("1", 1, { reason: "InitExited", detail: "gone" })
    expect((await provisioned("live")).body).toEqual({
      ...state("FAILED", 2, 0),
      StatusReason: "FUNCTION_ERROR_INIT_FAILURE"
    })
  })

  it("tells the pools at once, and when an alias takes it to another version", async () => {
    await provision("live", 2)
    await expect.poll(reconciled).toBe(1)
    hold("1", 2)
    expect((await provisioned("live")).body.Status).toBe("READY")
    await runtime.runPromise(Effect.map(FunctionStore, (store) => store.putAlias("hello", aliasRecord("live", "2"))))
    await expect.poll(reconciled).toBe(2)
    expect((await provisioned("live")).body.Status).toBe("IN_PROGRESS")
    hold("2", 2)
    expect((await provisioned("live")).body.Status).toBe("READY")
  })

  it("shares out the workers of a version to which several aliases lead", async () => {
    await runtime.runPromise(Effect.map(FunctionStore, (store) => store.putAlias("hello", aliasRecord("next", "1"))))
    await provision("live", 2)
    await provision("next", 2)
    hold("1", 3)
    expect((await provisioned("live")).body).toMatchObject(state("READY", 2, 2))
    expect((await provisioned("next")).body).toMatchObject(state("IN_PROGRESS", 2, 1))
  })

  it("is gone when it is deleted, however often", async () => {
    await provision("1", 2)
    expect((await unprovision("1")).status).toBe(204)
    expect((await provisioned("1")).status).toBe(404)
    expect((await unprovision("1")).status).toBe(204)
  })

  it("is listed by qualifier, in pages", async () => {
    expect((await list()).body).toEqual({ ProvisionedConcurrencyConfigs: [] })
    await provision("live", 1)
    await provision("2", 3)
    expect((await list()).body).toEqual({
      ProvisionedConcurrencyConfigs: [
        { FunctionArn: `${arn}:2`, ...state("IN_PROGRESS", 3, 0) },
        { FunctionArn: `${arn}:live`, ...state("IN_PROGRESS", 1, 0) }
      ]
    })
    const first = (await list("&MaxItems=1")).body
    expect(first.ProvisionedConcurrencyConfigs).toHaveLength(1)
    const second = (await list(`&MaxItems=1&Marker=${first.NextMarker}`)).body
    expect(second.ProvisionedConcurrencyConfigs[0].FunctionArn).toBe(`${arn}:live`)
    expect(second.NextMarker).toBeUndefined()
  })

  const unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
  const notPublished = "The function resource provided must be an alias or a published version."

  it.each([
    [
      "none there",
      () => provisioned("1"),
      {
        status: 404,
        type: "ProvisionedConcurrencyConfigNotFoundException",
        body: { Type: "User", message: "No Provisioned Concurrency Config found for this function" }
      }
    ],
    ["$LATEST", () => provision("$LATEST", 1), invalid(unpublished)],
    ["$LATEST, asked for", () => provisioned("$LATEST"), invalid(notPublished)],
    ["$LATEST, deleted", () => unprovision("$LATEST"), invalid(notPublished)],
    [
      "0",
      () => provision("1", 0),
      {
        status: 400,
        type: "ValidationException",
        body: {
          message:
            "1 validation error detected: Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1"
        }
      }
    ],
    ["an unknown version", () => provision("10", 1), notFound(`Function not found: ${arn}:10`)],
    ["an unknown version, asked for", () => provisioned("10"), notFound(`Function not found: ${arn}:10`)],
    ["an unknown alias", () => provision("x", 1), notFound(`Cannot find alias arn: ${arn}:x`)],
    ["an unknown function's list", () => list("", "nobody"), notFound(`Function not found: ${functionArn}:nobody`)],
    [
      "more than unreserved",
      () => provision("1", 1001),
      invalid(
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].",
        false
      )
    ],
    [
      "what leaves too little unreserved",
      () => provision("1", 901),
      invalid(
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
        false
      )
    ]
  ])("refuses: %s", async (_, request, answer) => {
    expect(await request()).toEqual(answer)
    expect((await list()).body).toEqual({ ProvisionedConcurrencyConfigs: [] })
  })

  it("refuses an alias of a version that has its own", async () => {
    await provision("1", 1)
    expect(await provision("live", 1)).toEqual(
      conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
    )
  })

  it("refuses a version whose alias has its own", async () => {
    await provision("live", 1)
    expect(await provision("1", 1)).toEqual(conflict("Version is pointed by a Provisioned Concurrency alias"))
    expect((await provision("2", 1)).status).toBe(202)
  })

  it("refuses more than is reserved, all versions together", async () => {
    await reserve(3)
    expect((await provision("1", 2)).status).toBe(202)
    const tooMuch = invalid(
      "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    )
    expect(await provision("2", 2)).toEqual(tooMuch)
    expect((await provision("2", 1)).status).toBe(202)
    // It takes the place of what there is.
    expect((await provision("1", 1)).status).toBe(202)
    expect(await provision("1", 3)).toEqual(tooMuch)
  })

  it("counts for the account what is provisioned without a reservation", async () => {
    expect((await provision("1", 900)).status).toBe(202)
    expect((await reserve(1, "other")).status).toBe(400)
    expect((await provision("1", 899)).status).toBe(202)
    expect((await reserve(1, "other")).status).toBe(200)
  })
})
