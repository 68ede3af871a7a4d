import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Equal, Layer, Option } from "effect"
import { afterEach, beforeEach } from "vitest"
import { CodeStore } from "../../src/control/CodeStore.ts"
import { ConcurrencyLimits } from "../../src/control/ConcurrencyLimits.ts"
import { ControlDatabase } from "../../src/control/Database.ts"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { Layers } from "../../src/control/Layers.ts"
import type { FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import * as TemplateFunctionRegistry from "../../src/registry/TemplateFunctionRegistry.ts"
import { TemplateFile } from "../../src/template/TemplateFile.ts"
import { functionConfig } from "../support/functions.ts"
import { storedOptions } from "../support/functionsApp.ts"
import { zip } from "../support/zip.ts"
import { suite } from "./FunctionRegistryContract.ts"

let folder = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "irori-template-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (path: string, content: string | Buffer = "") => {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

const owner = { region: "us-east-1", accountId: "123456789012" }

const services = (options: {
  readonly watch?: boolean
  readonly beneath?: ReadonlyArray<FunctionConfig>
  of?: string
}) => {
  const at = options.of ?? folder
  return TemplateFunctionRegistry.layer({ folder: join(at, "state/template"), ...storedOptions }).pipe(
    Layer.provide(FunctionRegistry.layerMemory(options.beneath ?? [])),
    Layer.provideMerge(
      TemplateFile.layer({
        path: join(at, "template.yaml"),
        owner,
        parameters: {},
        ...(options.watch === undefined ? {} : { watch: options.watch })
      })
    ),
    Layer.provideMerge(Layer.merge(ConcurrencyLimits.layer({ accountConcurrency: 1000 }), Layers.layerNone)),
    Layer.provideMerge(Layer.merge(FunctionStore.layer, CodeStore.layer(join(at, "state/code")))),
    Layer.provideMerge(ControlDatabase.layerMemory)
  )
}

const withRegistry = <A, E>(
  use: (registry: FunctionRegistry["Service"]) => Effect.Effect<A, E, ConcurrencyLimits | TemplateFile>,
  options: Parameters<typeof services>[0] = {}
) => FunctionRegistry.use(use).pipe(Effect.provide(services(options)))

const get = (name: string, qualifier?: string) => withRegistry((registry) => registry.get(name, qualifier))

const template = (...functions: ReadonlyArray<string>) =>
  `Resources:\n${functions
    .map((text) => {
      const [name = "", properties = ""] = text.split(/: (.*)/s)
      return `  ${name}:\n    Type: AWS::Serverless::Function\n    Properties: { Runtime: nodejs22.x, Handler: index.handler, ${properties} }\n`
    })
    .join("")}`

const contract = mkdtempSync(join(tmpdir(), "irori-template-"))
writeFileSync(join(contract, "template.yaml"), template("second: CodeUri: second", "first: CodeUri: first"))
for (const name of ["first", "second"]) mkdirSync(join(contract, name))
suite("from a template", () => services({ of: contract }))

describe("TemplateFunctionRegistry", () => {
  it.effect("gives a function the folder of its code, and Lambda's defaults", () =>
    Effect.gen(function* () {
      write("src/index.mjs")
      write("template.yaml", template("F: CodeUri: ./src/"))
      const config = yield* get("F")
      expect(config.code).toMatchObject({ _tag: "CodeFolder", path: join(folder, "src") })
      expect([config.memoryMegabytes, config.maxCapacity, config.minCapacity]).toEqual([128, 10, 0])
      expect(Duration.toSeconds(config.timeout)).toBe(3)
    })
  )

  it.effect("unpacks a ZIP, and says of one that is broken what is wrong with it", () =>
    Effect.gen(function* () {
      write("ok.zip", yield* Effect.promise(() => zip({ "index.mjs": "export const handler = 1" })))
      write("bad.zip", "no zip at all")
      write("template.yaml", template("F: CodeUri: ok.zip", "G: CodeUri: bad.zip", "H: CodeUri: none"))
      yield* withRegistry((registry) =>
        Effect.gen(function* () {
          const { code } = yield* registry.get("F")
          expect(code._tag === "CodeFolder" && readFileSync(join(code.path, "index.mjs"), "utf8")).toBe(
            "export const handler = 1"
          )
          expect((yield* Effect.flip(registry.get("G"))).message).toMatch(
            /template\.yaml:5: G: .*bad\.zip cannot be used: Could not unzip/
          )
          expect((yield* Effect.flip(registry.get("H"))).message).toContain(`there is no ${join(folder, "none")}`)
          expect((yield* registry.problems).map(({ functionName }) => functionName)).toEqual(["G", "H"])
        })
      )
    })
  )

  it.effect("writes inline code to the file that Lambda has it in", () =>
    Effect.gen(function* () {
      write("template.yaml", template('F: InlineCode: "exports.handler = async () => 1"'))
      const { code } = yield* get("F")
      expect(code._tag === "CodeFolder" && readFileSync(join(code.path, "index.js"), "utf8")).toBe(
        "exports.handler = async () => 1"
      )
    })
  )

  it.effect("mounts the folder of one layer as it is, and several in one, later ones on top", () =>
    Effect.gen(function* () {
      write("src/index.mjs")
      write("one/a", "1")
      write("one/b", "1")
      write("two.zip", yield* Effect.promise(() => zip({ b: "2" })))
      write(
        "template.yaml",
        template("F: CodeUri: src, Layers: [!Ref One]", "G: CodeUri: src, Layers: [!Ref One, !Ref Two]") +
          "  One: { Type: AWS::Serverless::LayerVersion, Properties: { ContentUri: one } }\n" +
          "  Two: { Type: AWS::Serverless::LayerVersion, Properties: { ContentUri: two.zip } }\n"
      )
      yield* withRegistry((registry) =>
        Effect.gen(function* () {
          expect((yield* registry.get("F")).layersPath).toBe(join(folder, "one"))
          const { layersPath = "" } = yield* registry.get("G")
          expect(["a", "b"].map((name) => readFileSync(join(layersPath, name), "utf8"))).toEqual(["1", "2"])
        })
      )
    })
  )

  it.effect("leaves out a layer that is not here", () =>
    Effect.gen(function* () {
      write("src/index.mjs")
      const arn = "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertools:1"
      write("template.yaml", template(`F: CodeUri: src, Layers: ["${arn}"]`))
      const config = yield* get("F")
      expect(config.layersPath).toBeUndefined()
      expect(yield* withRegistry((registry) => registry.problems)).toEqual([])
    })
  )

  it.effect("makes of what is reserved a limit of workers and of callers, and keeps what is provisioned warm", () =>
    Effect.gen(function* () {
      write("src/index.mjs")
      write(
        "template.yaml",
        template(
          "F: CodeUri: src, ReservedConcurrentExecutions: 30, ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 4 }",
          "G: CodeUri: src, ReservedConcurrentExecutions: 0",
          "H: CodeUri: src, ReservedConcurrentExecutions: 900"
        )
      )
      yield* withRegistry((registry) =>
        Effect.gen(function* () {
          const limits = yield* ConcurrencyLimits
          expect(yield* registry.get("F")).toMatchObject({
            maxCapacity: 30,
            minCapacity: 4,
            initializationType: "provisioned-concurrency"
          })
          expect(["F", "G", "H"].map(limits.reservedOf)).toEqual([30, 0, undefined])
          expect(yield* registry.problems).toMatchObject([{ functionName: "H" }])
        })
      )
    })
  )

  it.effect("takes the aliases of the template for the function itself", () =>
    Effect.gen(function* () {
      write("src/index.mjs")
      write("template.yaml", template("F: CodeUri: src, AutoPublishAlias: live"))
      yield* withRegistry((registry) =>
        Effect.gen(function* () {
          const latest = yield* registry.get("F")
          expect(yield* registry.get("F", "live")).toBe(latest)
          expect(registry.peek?.("F", "live")).toBe(latest)
          expect((yield* Effect.flip(registry.get("F", "other")))._tag).toBe("FunctionNotFound")
        })
      )
    })
  )

  it.effect("is over another registry: of one name the template's counts, also where it cannot run", () =>
    Effect.gen(function* () {
      write("src/index.mjs")
      write("template.yaml", template("hello: CodeUri: src, Timeout: 0"))
      const other = functionConfig({ name: "other" as FunctionConfig["name"] })
      yield* withRegistry(
        (registry) =>
          Effect.gen(function* () {
            expect((yield* Effect.flip(registry.get("hello")))._tag).toBe("FunctionUnusable")
            expect(yield* registry.get("other")).toBe(other)
            expect((yield* registry.list).map(({ name }) => name)).toEqual(["other"])
          }),
        { beneath: [functionConfig(), other] }
      )
    })
  )

  it.effect("does not know what a template that was never read would have said", () =>
    Effect.gen(function* () {
      write("template.yaml", "Resources: {\n")
      const refused = yield* Effect.flip(get("F"))
      expect([refused._tag, refused.message]).toEqual([
        "FunctionUnusable",
        expect.stringContaining("template.yaml:2: ")
      ])
      const problems = yield* withRegistry((registry) => registry.problems)
      expect(problems.map(({ detail }) => detail)).toEqual([refused.message])
    })
  )

  describe("while it is changed", () => {
    /** Waits until what the registry says is so: files are watched by the system, which takes its time. */
    const until = <A, E>(ask: Effect.Effect<A, E>, isSo: (found: A) => boolean): Effect.Effect<A, E> =>
      Effect.flatMap(ask, (found) =>
        isSo(found) ? Effect.succeed(found) : Effect.andThen(Effect.sleep("20 millis"), until(ask, isSo))
      )

    it.live("keeps the object of a function of which nothing changes, and makes another one of the others", () =>
      Effect.gen(function* () {
        write("one/index.mjs", "1")
        write("two/index.mjs", "1")
        write("template.yaml", template("F: CodeUri: one", "G: CodeUri: two"))
        yield* withRegistry(
          (registry) =>
            Effect.gen(function* () {
              const [first, second] = [yield* registry.get("F"), yield* registry.get("G")]
              write("template.yaml", template("F: CodeUri: one", "G: CodeUri: two, Timeout: 9"))
              const slower = yield* until(registry.get("G"), (found) => found !== second)
              expect(Duration.toSeconds(slower.timeout)).toBe(9)
              expect(yield* registry.get("F")).toBe(first)

              write("one/index.mjs", "longer")
              const changed = yield* until(registry.get("F"), (found) => found !== first)
              expect(changed.code).not.toEqual(first.code)
              expect(yield* registry.get("G")).toBe(slower)
            }),
          { watch: true }
        )
      })
    )

    it.live("keeps what it said last when it breaks, says so, and is taken over when it is mended", () =>
      Effect.gen(function* () {
        write("src/index.mjs")
        write("template.yaml", template("F: CodeUri: src, ReservedConcurrentExecutions: 5"))
        yield* withRegistry(
          (registry) =>
            Effect.gen(function* () {
              const limits = yield* ConcurrencyLimits
              const before = yield* registry.get("F")
              write("template.yaml", "Resources: {\n")
              const problems = yield* until(registry.problems, (found) => found.length > 0)
              expect(problems[0]?.detail).toContain("template.yaml:2: ")
              expect(yield* registry.get("F")).toBe(before)
              expect(limits.reservedOf("F")).toBe(5)

              write("template.yaml", template("H: CodeUri: src"))
              yield* until(registry.problems, (found) => found.length === 0)
              expect((yield* registry.list).map(({ name }) => name)).toEqual(["H"])
              expect((yield* Effect.flip(registry.get("F")))._tag).toBe("FunctionNotFound")
              expect(limits.reservedOf("F")).toBeUndefined()
            }),
          { watch: true }
        )
      })
    )

    it.live("goes on with folders that a build has made anew", () =>
      Effect.gen(function* () {
        write("src/index.mjs", "1")
        write("template.yaml", template("F: CodeUri: src"))
        yield* withRegistry(
          (registry) =>
            Effect.gen(function* () {
              const first = yield* registry.get("F")
              rmSync(join(folder, "src"), { recursive: true })
              yield* until(registry.problems, (found) => found.length > 0)
              write("src/index.mjs", "another")
              const second = yield* until(Effect.option(registry.get("F")), (found) => found._tag === "Some")
              write("src/index.mjs", "yet another")
              yield* until(Effect.option(registry.get("F")), (found) => !Equal.equals(found, second))
              expect(second).not.toEqual(Option.some(first))
              expect(yield* registry.problems).toEqual([])
            }),
          { watch: true }
        )
      })
    )

    it.live("has the routes of a template no sooner than its functions", () =>
      Effect.gen(function* () {
        const event = "Events: { E: { Type: HttpApi, Properties: { Path: /x, Method: get } } }"
        write("src/index.mjs")
        write("template.yaml", template("F: CodeUri: src"))
        write("big.zip", yield* Effect.promise(() => zip({ "index.mjs": "x".repeat(1_000_000) })))
        yield* withRegistry(
          (registry) =>
            Effect.gen(function* () {
              const file = yield* TemplateFile
              write("template.yaml", template(`G: CodeUri: big.zip, ${event}`))
              yield* until(
                Effect.sync(() => file.current().apis),
                (apis) => apis.length > 0
              )
              expect(registry.peek?.("G")).toMatchObject({ name: "G" })
            }),
          { watch: true }
        )
      })
    )
  })
})
