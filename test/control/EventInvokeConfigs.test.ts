import { Effect, Layer, type ManagedRuntime, ManagedRuntime as Runtimes } from "effect"
import { describe, expect, it } from "vitest"
import type { ControlServices } from "../../plugins/control/handlers.ts"
import { control } from "../../plugins/control/index.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { dependentTables } from "../../src/control/dependentTables.ts"
import { EventInvokeConfigs } from "../../src/control/EventInvokeConfigs.ts"
import { shapeOf } from "../../src/control/model/LambdaApi.ts"
import { FunctionNotFound, FunctionRegistry, FunctionUnusable } from "../../src/registry/FunctionRegistry.ts"
import { functionConfig } from "../support/functions.ts"

const owner = { region: "us-east-1", accountId: "123456789012" }
const lambda = "arn:aws:lambda:us-east-1:123456789012:function"
const arn = `${lambda}:hello`
const queue = "arn:aws:sqs:us-east-1:123456789012:told"
const mappedQueue = "arn:aws:sqs:us-east-1:123456789012:mapped"

/** `hello` with the alias `live`, `other`, and `broken`, which cannot run. */
const registry = Layer.mock(FunctionRegistry, {
  get: (functionName, qualifier = "$LATEST") => {
    if (functionName === "broken") return Effect.fail(new FunctionUnusable({ functionName, detail: "no handler" }))
    return ["hello", "other"].includes(functionName) && ["$LATEST", "live", "1"].includes(qualifier)
      ? Effect.succeed(functionConfig())
      : Effect.fail(new FunctionNotFound({ functionName, qualifier }))
  }
})

const app = () => {
  const layer = EventInvokeConfigs.layer({
    owner,
    mapped: new Map([[mappedQueue, "http://127.0.0.1:9/told"]]),
    fileRoots: ["/var/told"]
  }).pipe(Layer.provideMerge(ControlDatabase.layerMemory), Layer.provide(registry))
  const runtime = Runtimes.make(Layer.orDie(layer))
  const routes = control(runtime as unknown as ManagedRuntime.ManagedRuntime<ControlServices, never>, { owner })
  /** `METHOD name?query`, the name's path being the configuration's. */
  const ask = async (request: string, body?: object, path = "event-invoke-config") => {
    const [method = "", target = ""] = request.split(" ")
    const [name, query] = target.split("?")
    const url = `http://localhost/2019-09-25/functions/${name}/${path}${query === undefined ? "" : `?${query}`}`
    const response = await routes.handle(
      new Request(url, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    )
    const text = await response.text()
    return {
      status: response.status,
      type: response.headers.get("x-amzn-errortype"),
      body: text === "" ? undefined : JSON.parse(text)
    }
  }
  return {
    ask,
    runtime,
    list: (name: string, query = "") => ask(`GET ${name}${query}`, undefined, "event-invoke-config/list")
  }
}

const onSuccess = (Destination: string) => ({ DestinationConfig: { OnSuccess: { Destination } } })
const onFailure = (Destination: string) => ({ DestinationConfig: { OnFailure: { Destination } } })

describe("the event invoke configuration of a function", () => {
  it("is answered as it was put, with what was not set left out", async () => {
    const { ask } = app()
    const before = Date.now() / 1000
    const answer = await ask("PUT hello", { MaximumRetryAttempts: 0 })
    expect(answer).toEqual({
      status: 200,
      type: null,
      body: {
        FunctionArn: `${arn}:$LATEST`,
        LastModified: expect.any(Number),
        DestinationConfig: { OnSuccess: {}, OnFailure: {} },
        MaximumRetryAttempts: 0
      }
    })
    expect(answer.body.LastModified).toBeGreaterThanOrEqual(before)
    expect((await ask("GET hello")).body).toEqual(answer.body)
    expect((await ask("GET hello?Qualifier=$LATEST")).body).toEqual(answer.body)
  })

  it("is replaced by another one that is put, and added to by one that updates", async () => {
    const { ask } = app()
    await ask("PUT hello", { MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 60, ...onFailure(`${lambda}:other`) })
    expect((await ask("POST hello", { MaximumEventAgeInSeconds: 120 })).body).toMatchObject({
      MaximumRetryAttempts: 1,
      MaximumEventAgeInSeconds: 120,
      DestinationConfig: { OnSuccess: {}, OnFailure: { Destination: `${lambda}:other` } }
    })
    expect((await ask("PUT hello", { MaximumRetryAttempts: 2 })).body).toEqual({
      FunctionArn: `${arn}:$LATEST`,
      LastModified: expect.any(Number),
      DestinationConfig: { OnSuccess: {}, OnFailure: {} },
      MaximumRetryAttempts: 2
    })
  })

  it("has no destination any more when that is set to nothing", async () => {
    const { ask } = app()
    await ask("PUT hello", { MaximumRetryAttempts: 1, ...onFailure(`${lambda}:other`) })
    const { body } = await ask("POST hello", onFailure(""))
    expect(body).toMatchObject({ MaximumRetryAttempts: 1, DestinationConfig: { OnFailure: {} } })
    expect(body.DestinationConfig.OnFailure).toEqual({})
  })

  it("is one for each qualifier, listed by them", async () => {
    const { ask, list, runtime } = app()
    await ask("PUT hello", { MaximumRetryAttempts: 0 })
    await ask("PUT hello?Qualifier=live", { MaximumRetryAttempts: 1 })
    await ask("PUT hello:1", { MaximumRetryAttempts: 2 })
    const { body } = await list("hello")
    expect(body.FunctionEventInvokeConfigs.map(({ FunctionArn }: { FunctionArn: string }) => FunctionArn)).toEqual([
      `${arn}:$LATEST`,
      `${arn}:1`,
      `${arn}:live`
    ])
    expect(body.NextMarker).toBeUndefined()
    const settingsOf = (qualifier?: string) =>
      runtime.runPromise(EventInvokeConfigs.use((configs) => Effect.sync(() => configs.settingsOf("hello", qualifier))))
    expect(await settingsOf()).toEqual({ maxRetries: 0 })
    expect(await settingsOf("live")).toEqual({ maxRetries: 1 })
    expect(await settingsOf("2")).toEqual({})
  })

  it("is listed in pages", async () => {
    const { ask, list } = app()
    for (const qualifier of ["$LATEST", "1", "live"])
      await ask(`PUT hello?Qualifier=${qualifier}`, { MaximumRetryAttempts: 0 })
    const first = await list("hello", "?MaxItems=2")
    expect(first.body.FunctionEventInvokeConfigs).toHaveLength(2)
    const second = await list("hello", `?MaxItems=2&Marker=${encodeURIComponent(first.body.NextMarker)}`)
    expect(second.body).toMatchObject({ FunctionEventInvokeConfigs: [{ FunctionArn: `${arn}:live` }] })
    expect(second.body.NextMarker).toBeUndefined()
    expect((await list("other")).body).toEqual({ FunctionEventInvokeConfigs: [] })
  })

  it("is gone when it is deleted, and goes with its function", async () => {
    const { ask } = app()
    await ask("PUT hello", { MaximumRetryAttempts: 0 })
    expect(await ask("DELETE hello")).toEqual({ status: 204, type: null, body: undefined })
    expect((await ask("GET hello")).status).toBe(404)
    expect(dependentTables).toContain("event_invoke_configs")
  })

  it("may be that of a function that cannot run", async () => {
    expect((await app().ask("PUT broken", { MaximumRetryAttempts: 0 })).status).toBe(200)
  })

  it.each([
    ["a URL", "https://example.com/told"],
    ["a file where files may be", "file:///var/told/failures.jsonl"],
    ["one of AWS's that something stands in for", mappedQueue],
    ["a function", `${lambda}:other`],
    ["a function's alias", `${lambda}:other:live`]
  ])("takes for a destination %s", async (_, destination) => {
    expect((await app().ask("PUT hello", onSuccess(destination))).body).toMatchObject({
      DestinationConfig: { OnSuccess: { Destination: destination }, OnFailure: {} }
    })
  })
})

describe("event invoke configurations are refused", () => {
  const invalid = (detail: string) => ({
    status: 400,
    type: "InvalidParameterValueException",
    body: { Type: "User", message: detail }
  })
  const notFound = (detail: string) => ({
    status: 404,
    type: "ResourceNotFoundException",
    body: { Type: "User", Message: detail }
  })
  const destinations = (success: string, failure: string) =>
    invalid(`The provided destination config DestinationConfig(onSuccess=${success}, onFailure=${failure}) is invalid.`)
  const nothing = invalid("You must specify at least one of error handling or destination setting.")
  const noFunction = notFound("The function doesn't exist.")
  const itself = invalid("You can't specify the function as a destination for itself.")
  const noConfig = (qualified: string) => notFound(`The function ${qualified} doesn't have an EventInvokeConfig`)

  it.each<readonly [string, object | undefined, object]>([
    ["PUT hello", {}, nothing],
    ["POST hello", {}, nothing],
    ["PUT nope", { MaximumRetryAttempts: 0 }, noFunction],
    ["POST nope", { MaximumRetryAttempts: 0 }, noFunction],
    ["PUT hello?Qualifier=nope", { MaximumRetryAttempts: 0 }, noFunction],
    ["GET nope", undefined, noConfig(`${lambda}:nope:$LATEST`)],
    ["DELETE nope", undefined, noConfig(`${lambda}:nope:$LATEST`)],
    ["GET hello", undefined, noConfig(`${arn}:$LATEST`)],
    ["GET hello?Qualifier=live", undefined, noConfig(`${arn}:live`)],
    ["DELETE hello:live", undefined, noConfig(`${arn}:live`)],
    ["POST hello", { MaximumRetryAttempts: 0 }, noConfig(`${arn}:$LATEST`)],
    ["PUT hello", onSuccess(arn), itself],
    ["PUT hello", onFailure(`${arn}:live`), itself],
    ["PUT hello", onSuccess(`${lambda}:nope`), invalid(`The destination ARN ${lambda}:nope is invalid.`)],
    ["PUT hello", onSuccess(queue), destinations(`OnSuccess(destination=${queue})`, "null")],
    ["PUT hello", onFailure("arn:aws:s3:::bucket"), destinations("null", "OnFailure(destination=arn:aws:s3:::bucket)")],
    [
      "PUT hello",
      { DestinationConfig: { OnSuccess: { Destination: mappedQueue }, OnFailure: { Destination: queue } } },
      destinations(`OnSuccess(destination=${mappedQueue})`, `OnFailure(destination=${queue})`)
    ],
    [
      "PUT hello",
      onFailure("file:///etc/cron.d/x"),
      destinations("null", "OnFailure(destination=file:///etc/cron.d/x)")
    ],
    [
      "PUT hello",
      onFailure("file:///var/told/../x"),
      destinations("null", "OnFailure(destination=file:///var/told/../x)")
    ]
  ])("%s %j", async (request, body, answer) => {
    expect(await app().ask(request, body)).toEqual(answer)
  })

  it("as a list of a function that there is not", async () => {
    expect(await app().list("nope")).toEqual(noFunction)
  })

  it.each([
    [{ MaximumRetryAttempts: 3 }, "'3' at 'maximumRetryAttempts'", "value less than or equal to 2"],
    [{ MaximumEventAgeInSeconds: 59 }, "'59' at 'maximumEventAgeInSeconds'", "value greater than or equal to 60"],
    [{ MaximumEventAgeInSeconds: 21_601 }, "'21601' at 'maximumEventAgeInSeconds'", "value less than or equal to 21600"]
  ])("for a number out of its range: %j", async (body, value, constraint) => {
    expect(await app().ask("PUT hello", body)).toEqual({
      status: 400,
      type: "ValidationException",
      body: {
        message: `1 validation error detected: Value ${value} failed to satisfy constraint: Member must have ${constraint}`
      }
    })
  })

  it("for a destination that is neither an ARN nor a URL, in the words of the model", async () => {
    const { body, status } = await app().ask("PUT hello", onSuccess("somewhere"))
    expect(status).toBe(400)
    expect(body).toEqual({
      message:
        "1 validation error detected: Value 'somewhere' at 'destinationConfig.onSuccess.destination' failed to " +
        `satisfy constraint: Member must satisfy regular expression pattern: ${shapeOf("DestinationArn").pattern}`
    })
  })
})
