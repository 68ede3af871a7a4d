import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { functionUrls } from "../../plugins/control/functionUrls.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { FunctionUrls } from "../../src/control/FunctionUrls.ts"
import { operations, readInput } from "../../src/control/model/LambdaApi.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { FunctionReference } from "../../src/domain/FunctionReference.ts"
import { FunctionNotFound, FunctionRegistry, FunctionUnusable } from "../../src/registry/FunctionRegistry.ts"
import { functionConfig } from "../support/functions.ts"

const owner = { region: "us-east-1", accountId: "123456789012" }
const arn = "arn:aws:lambda:us-east-1:123456789012:function:hello"
const origin = "http://localhost:3000"
const hello = { name: "hello" }
const live = { name: "hello", qualifier: "live" }

/** What a file says of it. */
const declared = functionConfig({
  name: FunctionName.make("declared"),
  url: { authType: "NONE", invokeMode: "RESPONSE_STREAM", cors: { MaxAge: 5 } }
})

/** `hello` with the aliases `live` and `next`; `broken`, which cannot run; and `declared`, which a file gives a URL. */
const registry = Layer.mock(FunctionRegistry, {
  get: (functionName, qualifier) => {
    if (functionName === "declared" && qualifier === undefined) return Effect.succeed(declared)
    if (functionName === "broken") return Effect.fail(new FunctionUnusable({ functionName, detail: "no handler" }))
    return functionName === "hello" && (qualifier === undefined || ["live", "next"].includes(qualifier))
      ? Effect.succeed(functionConfig())
      : Effect.fail(new FunctionNotFound({ functionName, ...(qualifier === undefined ? {} : { qualifier }) }))
  },
  list: Effect.succeed([functionConfig(), declared])
})

const layer = (domain = "localhost", database: Layer.Layer<ControlDatabase, unknown> = ControlDatabase.layerMemory) =>
  FunctionUrls.layer({ owner, domain }).pipe(Layer.provideMerge(database), Layer.provide(registry))

const create = (reference: FunctionReference, settings = {}) =>
  functionUrls.CreateFunctionUrlConfig(
    { FunctionName: reference.name, AuthType: "NONE", ...settings },
    { origin, reference }
  )
const get = (reference: FunctionReference) =>
  functionUrls.GetFunctionUrlConfig({ FunctionName: reference.name }, { origin, reference })
const update = (reference: FunctionReference, settings = {}) =>
  functionUrls.UpdateFunctionUrlConfig({ FunctionName: reference.name, ...settings }, { origin, reference })
const remove = (reference: FunctionReference) =>
  functionUrls.DeleteFunctionUrlConfig({ FunctionName: reference.name }, { origin, reference })
const list = (reference: FunctionReference, page = {}) =>
  functionUrls.ListFunctionUrlConfigs({ FunctionName: reference.name, ...page }, { origin, reference })

describe("the operations of function URLs", () => {
  it.effect("answer a creation with what was given, and a link that works here", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2025, 10, 25, 2, 26, 54, 123))
      const url = yield* create(hello)
      expect(url).toEqual({
        FunctionUrl: expect.stringMatching(/^http:\/\/[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:3000\/$/),
        FunctionArn: arn,
        AuthType: "NONE",
        CreationTime: "2025-11-25T02:26:54.123Z"
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("answer it with CORS and the invoke mode only where they were given", () =>
    Effect.gen(function* () {
      const Cors = { AllowOrigins: ["*"], MaxAge: 60 }
      expect(yield* create(live, { AuthType: "AWS_IAM", Cors, InvokeMode: "BUFFERED" })).toMatchObject({
        FunctionArn: `${arn}:live`,
        AuthType: "AWS_IAM",
        Cors,
        InvokeMode: "BUFFERED"
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("read and update all of it, and leave alone what they are not given", () =>
    Effect.gen(function* () {
      const created = yield* create(hello, { Cors: { MaxAge: 5 } })
      expect(yield* get(hello)).toEqual({
        ...created,
        InvokeMode: "BUFFERED",
        LastModifiedTime: "1970-01-01T00:00:00.000Z"
      })
      yield* TestClock.adjust("1 second")
      const changed = {
        ...created,
        AuthType: "AWS_IAM",
        InvokeMode: "RESPONSE_STREAM",
        LastModifiedTime: "1970-01-01T00:00:01.000Z"
      }
      expect(yield* update(hello, { AuthType: "AWS_IAM", InvokeMode: "RESPONSE_STREAM" })).toEqual(changed)
      expect(yield* get(hello)).toEqual(changed)
      expect(yield* update(hello, { Cors: { AllowOrigins: ["*"] } })).toMatchObject({
        AuthType: "AWS_IAM",
        Cors: { AllowOrigins: ["*"] }
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("know one URL for the function and one for each alias; deleting one leaves the others", () =>
    Effect.gen(function* () {
      for (const reference of [hello, live, { ...hello, qualifier: "next" }]) yield* create(reference)
      yield* remove(hello)
      expect(yield* list(hello)).toMatchObject({
        FunctionUrlConfigs: [{ FunctionArn: `${arn}:live` }, { FunctionArn: `${arn}:next` }]
      })
      const again = yield* create(hello)
      expect(yield* get(hello)).toMatchObject(again)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("list page by page", () =>
    Effect.gen(function* () {
      yield* create(hello)
      yield* create(live)
      const first = yield* list(hello, { MaxItems: 1 })
      expect(first).toMatchObject({ FunctionUrlConfigs: [{ FunctionArn: arn }], NextMarker: expect.any(String) })
      const second = yield* list(hello, { MaxItems: 1, Marker: (first as { NextMarker: string }).NextMarker })
      expect(second).toMatchObject({ FunctionUrlConfigs: [{ FunctionArn: `${arn}:live` }] })
      expect(second).not.toHaveProperty("NextMarker")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("take a function that cannot run for one that exists", () =>
    Effect.provide(create({ name: "broken" }), layer())
  )

  const exists = (name: string) =>
    `Failed to create function url config for [functionArn = ${name}]. Error message:  FunctionUrlConfig exists for this Lambda function`
  const gone = "The resource you requested does not exist."
  const unknown = { name: "nobody" }
  const noAlias = { ...hello, qualifier: "nothing" }
  it.effect.each<
    readonly [string, Effect.Effect<unknown, { _tag: string; message: string }, FunctionUrls>, string, string]
  >([
    ["a second URL", Effect.andThen(create(hello), create(hello)), "ResourceConflict", exists(arn)],
    ["an alias's second", Effect.andThen(create(live), create(live)), "ResourceConflict", exists(`${arn}:live`)],
    ["create, function unknown", create(unknown), "ResourceNotFound", "Function does not exist"],
    ["create, alias unknown", create(noAlias), "ResourceNotFound", "Function does not exist"],
    ["update, function unknown", update(unknown), "ResourceNotFound", "Function does not exist"],
    ["update, alias unknown", update(noAlias), "ResourceNotFound", "Function does not exist"],
    ["list, function unknown", list(unknown), "ResourceNotFound", "Function does not exist"],
    ["get, function unknown", get(unknown), "ResourceNotFound", gone],
    ["delete, function unknown", remove(unknown), "ResourceNotFound", gone],
    ["get, no URL", get(hello), "ResourceNotFound", gone],
    ["get, URL of another alias", Effect.andThen(create(hello), get(live)), "ResourceNotFound", gone],
    ["update, no URL", update(hello), "ResourceNotFound", gone],
    ["delete, no URL", remove(hello), "ResourceNotFound", gone]
  ])("refuse: %s", ([, operation, tag, message]) =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(operation)
      expect(failure._tag).toBe(tag)
      expect(failure.message).toBe(message)
    }).pipe(Effect.provide(layer()))
  )

  const pattern = String.raw`((?!^\d+$)^[0-9a-zA-Z-_]+$)`
  it.each([
    [
      "Qualifier=1",
      {},
      `Value '1' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern}`
    ],
    [
      "Qualifier=%24LATEST",
      {},
      `Value '$LATEST' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern}`
    ],
    [
      "",
      { InvokeMode: "UNKNOWN" },
      "Value 'UNKNOWN' at 'invokeMode' failed to satisfy constraint: Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]"
    ],
    [
      "",
      { Cors: { MaxAge: 86_401 } },
      "Value '86401' at 'cors.maxAge' failed to satisfy constraint: Member must have value less than or equal to 86400"
    ]
  ])("refuse %s %j by the model", (query, body, message) => {
    const refused = readInput(operations.get("CreateFunctionUrlConfig")!, {
      path: { FunctionName: "hello" },
      query: new URLSearchParams(query),
      headers: new Headers(),
      body: { AuthType: "NONE", ...body }
    })
    expect(Result.getOrThrow(Result.flip(refused)).message).toBe(`1 validation error detected: ${message}`)
  })
})

describe("a URL that a file declares", () => {
  const name = { name: "declared" }

  it.effect("is there, and always the same", () =>
    Effect.gen(function* () {
      const seen = yield* get(name)
      expect(seen).toMatchObject({
        FunctionUrl: expect.stringMatching(/^http:\/\/[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:3000\/$/),
        AuthType: "NONE",
        InvokeMode: "RESPONSE_STREAM",
        Cors: { MaxAge: 5 }
      })
      expect(yield* get(name).pipe(Effect.provide(layer()))).toEqual(seen)
      expect(yield* list(name)).toEqual({ FunctionUrlConfigs: [seen] })
      const urls = yield* FunctionUrls
      const id = new URL((seen as { FunctionUrl: string }).FunctionUrl).host.split(".")[0]!
      expect(yield* urls.find(id)).toMatchObject({ functionName: "declared", isDeclared: true })
    }).pipe(Effect.provide(layer()))
  )

  it.effect.each<readonly [string, Effect.Effect<unknown, { _tag: string }, FunctionUrls>, string]>([
    ["made again", create(name), "ResourceConflict"],
    ["changed", update(name, { AuthType: "AWS_IAM" }), "InvalidParameterValue"],
    ["deleted", remove(name), "InvalidParameterValue"]
  ])("is not %s through the API", ([, operation, tag]) =>
    Effect.gen(function* () {
      expect((yield* Effect.flip(operation))._tag).toBe(tag)
    }).pipe(Effect.provide(layer()))
  )
})

describe("FunctionUrls", () => {
  it.effect("finds a URL by its id, and none by another", () =>
    Effect.gen(function* () {
      const urls = yield* FunctionUrls
      const url = yield* urls.create(live, { authType: "NONE" })
      expect(yield* urls.find(url.id)).toEqual(url)
      expect(yield* urls.find("x".repeat(32))).toBeUndefined()
    }).pipe(Effect.provide(layer()))
  )

  it.effect.each<readonly [string, string, string]>([
    ["localhost", "http://127.0.0.1:3000", "http://ID.lambda-url.us-east-1.localhost:3000/"],
    ["localhost", "https://irori.example", "https://ID.lambda-url.us-east-1.localhost/"],
    ["fn.example", "http://localhost:3000", "http://ID.lambda-url.us-east-1.fn.example:3000/"],
    ["fn.example:8080", "http://localhost:3000", "http://ID.lambda-url.us-east-1.fn.example:8080/"],
    ["https://fn.example", "http://localhost:3000", "https://ID.lambda-url.us-east-1.fn.example/"],
    ["https://fn.example:8443", "http://localhost:3000", "https://ID.lambda-url.us-east-1.fn.example:8443/"]
  ])("with the domain %s links for a caller at %s", ([domain, from, link]) =>
    Effect.gen(function* () {
      const urls = yield* FunctionUrls
      const url = yield* urls.create(hello, { authType: "NONE" })
      expect(urls.linkTo(url, from)).toBe(link.replace("ID", url.id))
    }).pipe(Effect.provide(layer(domain)))
  )

  it.effect("keeps URLs over a restart, and loses them with their function", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "irori-urls-"))
      const over = layer("localhost", ControlDatabase.layer(join(folder, "control.sqlite")))
      const id = yield* FunctionUrls.use((urls) => urls.create(hello, { authType: "NONE" })).pipe(
        Effect.map((url) => url.id),
        Effect.provide(over)
      )
      const [found, left] = yield* Effect.gen(function* () {
        const urls = yield* FunctionUrls
        const store = yield* FunctionStore
        const found = yield* urls.find(id)
        store.remove("hello")
        return [found, yield* urls.find(id)]
      }).pipe(Effect.provide(FunctionStore.layer.pipe(Layer.provideMerge(over))))
      expect(found?.functionName).toBe("hello")
      expect(left).toBeUndefined()
      rmSync(folder, { recursive: true })
    })
  )
})
