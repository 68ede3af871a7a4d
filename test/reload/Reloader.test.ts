import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { afterEach, beforeEach } from "vitest"
import { UsagePlans } from "../../src/auth/UsagePlans.ts"
import { CodeStore } from "../../src/control/CodeStore.ts"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { Layers } from "../../src/control/Layers.ts"
import { AsyncInvoker } from "../../src/invoke/AsyncInvoker.ts"
import * as FolderFunctionRegistry from "../../src/registry/FolderFunctionRegistry.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import * as TemplateFunctionRegistry from "../../src/registry/TemplateFunctionRegistry.ts"
import { FileSources } from "../../src/reload/FileSources.ts"
import { Reloader } from "../../src/reload/Reloader.ts"
import { fileSource } from "../../src/routing/fileSource.ts"
import { RouteTable } from "../../src/routing/RouteTable.ts"
import { readRoutingFile } from "../../src/routing/routingFile.ts"
import { templateSource as templateRoutes } from "../../src/routing/templateSource.ts"
import { functionsFileSource } from "../../src/schedules/functionsFileSource.ts"
import { Scheduler } from "../../src/schedules/Scheduler.ts"
import type { ScheduleSource } from "../../src/schedules/ScheduleSource.ts"
import { templateSource as templateSchedules } from "../../src/schedules/templateSource.ts"
import { TemplateFile } from "../../src/template/TemplateFile.ts"
import { storedOptions } from "../support/functionsApp.ts"

const files = {
  "functions.yml": "functions:\n  main: { schedules: [{ name: often, expression: rate(5 minutes) }] }\n  other: {}\n",
  "routing.yml":
    "routes:\n  - { path: /a, method: GET, function: main }\n  - { path: /b, method: GET, function: main }\n",
  "main/index.mjs": "export const handler = () => 1",
  "other/index.mjs": "export const handler = () => 2",
  "keys.yml": "keys: [{ name: shop, value: at-least-twenty-characters }]",
  "template.yaml": `Transform: AWS::Serverless-2016-10-31
Resources:
  Shop:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      CodeUri: main
      Events:
        Read: { Type: HttpApi, Properties: { Path: /shop, Method: get } }
`
}

let folder = ""
const write = (path: keyof typeof files, text: string) => {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
const change = (path: keyof typeof files, from: string, to: string) => {
  expect(files[path]).toContain(from)
  write(path, files[path].replace(from, to))
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "irori-reload-"))
  for (const path of Object.keys(files) as ReadonlyArray<keyof typeof files>) write(path, files[path])
})
afterEach(() => rmSync(folder, { recursive: true }))

const owner = { region: "us-east-1", accountId: "123456789012" }

/** All sources of files there are, none of which watches. */
const services = Layer.suspend(() => {
  const path = (name: string) => join(folder, name)
  const environment = {}
  const registry = TemplateFunctionRegistry.layer({ folder: path(".state/template"), ...storedOptions }).pipe(
    Layer.provide(FolderFunctionRegistry.layer({ folder, defaults: storedOptions.defaults, environment })),
    Layer.provideMerge(TemplateFile.layer({ path: path("template.yaml"), owner, parameters: {} })),
    Layer.provideMerge(Layer.merge(ConcurrencyLimits.layer({ accountConcurrency: 1000 }), Layers.layerNone)),
    Layer.provideMerge(Layer.merge(FunctionStore.layer, CodeStore.layer(path(".state/code")))),
    Layer.provideMerge(ControlDatabase.layerMemory)
  )
  const routing = fileSource({
    path: path("routing.yml"),
    read: (text, name) => readRoutingFile(text, name, { timeout: Duration.infinity })
  })
  const schedules: ReadonlyArray<Effect.Effect<ScheduleSource, never, Scope.Scope | TemplateFile>> = [
    functionsFileSource({ folder, environment }),
    templateSchedules
  ]
  return Reloader.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        RouteTable.layer<never, Scope.Scope | TemplateFile>([routing, templateRoutes]),
        Scheduler.layer({
          owner,
          missed: "once",
          sources: schedules
        }),
        UsagePlans.layer({ file: path("keys.yml"), database: ":memory:" })
      )
    ),
    Layer.provideMerge(Layer.merge(registry, Layer.mock(AsyncInvoker, {}))),
    Layer.provideMerge(FileSources.layer)
  )
})

const reload = Reloader.use((reloader) => reloader.reload)
const nothing = { functions: [], routes: [], schedules: [] }

describe("Reloader", () => {
  it.effect("reads every file, and tells of nothing where nothing has changed", () =>
    Effect.gen(function* () {
      const registry = yield* FunctionRegistry
      const before = yield* registry.list
      const { changed, files, problems } = yield* reload
      expect({ changed, problems }).toEqual({ changed: nothing, problems: [] })
      const names = ["", "functions.yml", "routing.yml", "template.yaml", "keys.yml"]
      expect([...files].sort()).toEqual(names.map((name) => join(folder, name).replace(/\/$/, "")).sort())
      const after = yield* registry.list
      expect(after.map((config, index) => config === before[index])).toEqual([true, true, true])
    }).pipe(Effect.provide(services))
  )

  it.effect("tells what was added, is another one, or is gone, of all of them", () =>
    Effect.gen(function* () {
      const registry = yield* FunctionRegistry
      const other = yield* registry.get("other")
      change("functions.yml", "main: { schedules", "main: { timeout: 9, schedules")
      change("routing.yml", "path: /b", "path: /c")
      change("template.yaml", "Path: /shop", "Path: /shops")
      const first = yield* reload
      expect(first.changed.functions).toEqual(["main"])
      expect(first.changed.routes).toEqual([
        { api: "routing", method: "GET", path: "/b" },
        { api: "serverlesshttpapi", method: "GET", path: "/shop" },
        { api: "routing", method: "GET", path: "/c" },
        { api: "serverlesshttpapi", method: "GET", path: "/shops" }
      ])
      expect(first.changed.schedules).toEqual([])
      expect(yield* registry.get("other")).toBe(other)

      change("functions.yml", "rate(5 minutes)", "rate(6 minutes)")
      change("template.yaml", "Handler: index.handler", "Handler: index.other")
      const second = yield* reload
      expect(second.changed).toMatchObject({
        functions: ["Shop", "main"],
        schedules: [{ functionName: "main", name: "often" }]
      })
    }).pipe(Effect.provide(services))
  )

  it.effect.each([
    ["functions.yml", /functions\.yml:1:13: /],
    ["routing.yml", /routing\.yml:1:13: /],
    ["template.yaml", /template\.yaml:1/],
    ["keys.yml", /keys\.yml/]
  ] as const)("keeps what %s said before it broke, and says why until it is mended", ([name, reason]) =>
    Effect.gen(function* () {
      const reloader = yield* Reloader
      write(name, "functions: [")
      const broken = yield* reload
      expect(broken.changed).toEqual(nothing)
      expect(broken.problems).toEqual([{ detail: expect.stringMatching(reason) }])
      expect(yield* reloader.problems).toEqual(broken.problems)
      write(name, files[name])
      const mended = yield* reload
      expect({ changed: mended.changed, problems: mended.problems }).toEqual({ changed: nothing, problems: [] })
    }).pipe(Effect.provide(services))
  )

  it.effect("knows at once which schedules cannot be read", () =>
    Effect.gen(function* () {
      change("functions.yml", "rate(5 minutes)", "rate(5 minute)")
      const { problems } = yield* reload
      expect(problems).toEqual([
        { functionName: "main", detail: expect.stringMatching(/^Schedule 'often' of function/) }
      ])
    }).pipe(Effect.provide(services))
  )

  it.effect("is done though whoever asked has left", () =>
    Effect.gen(function* () {
      const sources = yield* FileSources
      const done: Array<string> = []
      yield* sources.add({
        path: "slow",
        reload: Effect.andThen(
          Effect.sleep("1 second"),
          Effect.sync(() => void done.push("slow"))
        )
      })
      const asking = yield* Effect.forkChild(reload)
      yield* Effect.yieldNow
      yield* Fiber.interrupt(asking)
      const second = yield* Effect.forkChild(reload)
      yield* TestClock.adjust("1 second")
      expect(done).toEqual(["slow"])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(second)
      expect(done).toEqual(["slow", "slow"])
    }).pipe(Effect.provide(services))
  )
})
