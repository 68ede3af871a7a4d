import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { afterEach, beforeEach } from "vitest"
import { CodeImage } from "../../src/domain/FunctionConfig.ts"
import { fingerprint } from "../../src/provision/fingerprint.ts"
import * as FolderFunctionRegistry from "../../src/registry/FolderFunctionRegistry.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"

let folder = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "irori-functions-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (path: string, text = "", mode = 0o644) => {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, mode)
}

const options = (environment: Record<string, string> = {}, of = folder): FolderFunctionRegistry.FolderOptions => ({
  folder: of,
  defaults: {
    maxCapacity: 3,
    minCapacity: 0,
    acquireTimeout: Duration.seconds(7),
    idleTimeout: Duration.minutes(4),
    maxQueued: 50
  },
  environment
})

const registry = <A, E>(
  body: (registry: FunctionRegistry["Service"]) => Effect.Effect<A, E>,
  environment: Record<string, string> = {},
  of = folder
) => Effect.provide(FunctionRegistry.use(body), FolderFunctionRegistry.layer(options(environment, of)))

const get = (name: string, environment?: Record<string, string>) =>
  registry((functions) => functions.get(name), environment)
/** Why `name` cannot be had. */
const refusal = (name: string) =>
  Effect.map(Effect.flip(get(name)), (error) => ({ tag: error._tag, why: error.message }))
const problems = () => registry((functions) => functions.problems)

describe("FolderFunctionRegistry", () => {
  it.effect.each([
    ["index.mjs", 0o644, "nodejs22.x", "index.handler"],
    ["index.js", 0o644, "nodejs22.x", "index.handler"],
    ["index.cjs", 0o644, "nodejs22.x", "index.handler"],
    ["handler.mjs", 0o644, "nodejs22.x", "handler.handler"],
    ["lambda_function.py", 0o644, "python3.13", "lambda_function.lambda_handler"],
    ["bootstrap", 0o755, "provided.al2023", undefined]
  ] as const)("takes a folder with %s for a function", ([file, mode, runtime, handler]) =>
    Effect.gen(function* () {
      write(`f/${file}`, "", mode)
      const config = yield* get("f")
      expect(config.runtime).toBe(runtime)
      expect(config.handler).toBe(handler)
      expect(config.code).toMatchObject({ _tag: "CodeFolder", path: join(folder, "f") })
    })
  )

  it.effect("gives a function that says nothing Lambda's defaults and those of the settings", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      const config = yield* get("f")
      expect(Duration.toSeconds(config.timeout)).toBe(3)
      expect(config.memoryMegabytes).toBe(128)
      expect(config.version).toBe("$LATEST")
      expect(config.transport).toBe("runtime-api")
      expect([config.maxCapacity, config.minCapacity, config.maxQueued]).toEqual([3, 0, 50])
      expect(Duration.toSeconds(config.acquireTimeout)).toBe(7)
      expect(Duration.toMinutes(config.idleTimeout)).toBe(4)
    })
  )

  it.effect("lets functions.yml say what differs, a function's own before the defaults", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write(
        "functions.yml",
        `defaults:
  environment: { AA: default, BB: default }
  scaling: { idle_timeout: 60, acquire_timeout: 2.5 }
functions:
  f:
    description: what it does
    environment: { BB: own, PORT: 8080, VERSION: 1.10, ON: true }
    scaling: { max_capacity: 9, min_capacity: 2, acquire_timeout: 1 }
    timeout: 30
    memory_size: 512
`
      )
      const config = yield* get("f")
      expect(config.environment).toEqual({ AA: "default", BB: "own", PORT: "8080", VERSION: "1.10", ON: "true" })
      expect([config.maxCapacity, config.minCapacity, config.memoryMegabytes]).toEqual([9, 2, 512])
      expect([config.timeout, config.acquireTimeout, config.idleTimeout].map(Duration.toSeconds)).toEqual([30, 1, 60])
      expect(config.description).toBe("what it does")
      expect(yield* problems()).toEqual([])
    })
  )

  it.effect("replaces variables after parsing, so that a value cannot change the file's structure", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write(
        "functions.yml",
        `functions:
  f:
    timeout: \${SECONDS}
    environment: { AA: "\${EVIL}", BB: $HOST/x, CC: $$HOST, DD: "\${NOBODY}", LEVEL: "\${LOG_LEVEL}" }
`
      )
      const config = yield* get("f", { SECONDS: "12", EVIL: "x\nfunctions: {}", HOST: "h" })
      expect(Duration.toSeconds(config.timeout)).toBe(12)
      expect(config.environment).toEqual({
        AA: "x\nfunctions: {}",
        BB: "h/x",
        CC: "$HOST",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the reference itself is the value.
        DD: "${NOBODY}",
        LEVEL: "INFO"
      })
    })
  )

  it.effect("needs no folder for a function that is an image", () =>
    Effect.gen(function* () {
      write("functions.yml", "functions:\n  a: { image: 'registry.local/a:1', transport: rie }\n  b:\n")
      const a = yield* get("a")
      expect([a.code, a.transport, a.runtime]).toEqual([new CodeImage({ uri: "registry.local/a:1" }), "rie", undefined])
      const b = yield* get("b")
      expect([b.code, b.transport]).toEqual([new CodeImage({ uri: "b:latest" }), "runtime-api"])
    })
  )

  it.effect("finds code at a path that starts at the file", () =>
    Effect.gen(function* () {
      write("shared/code/index.mjs")
      write("functions.yml", "functions:\n  f: { code: ./shared/code, runtime: nodejs20.x }\n")
      const config = yield* get("f")
      expect(config.code).toMatchObject({ _tag: "CodeFolder", path: join(folder, "shared/code") })
      expect([config.runtime, config.handler]).toEqual(["nodejs20.x", "index.handler"])
    })
  )

  it.effect("says where a file that does not parse is wrong, and runs nothing until it is mended", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write("functions.yml", "functions:\n  f:\n    timeout: 3\n    timeout: 4\n")
      const why = `${join(folder, "functions.yml")}:4:5: Map keys must be unique`
      expect(yield* refusal("f")).toEqual({ tag: "FunctionUnusable", why })
      // It may be an image that only the file knows of.
      expect(yield* refusal("other")).toEqual({ tag: "FunctionUnusable", why })
      expect(yield* problems()).toEqual([{ detail: why }])

      write("functions.yml", "functions:\n  f:\n    timeout: 4\n")
      expect((yield* get("f")).name).toBe("f")
    })
  )

  it.effect.each([
    ["timeout: 901", "timeout: Expected a value between 1 and 900"],
    ["timeout: 0", "timeout: Expected a value between 1 and 900"],
    ["timeout: 1.5", "timeout: Expected an integer"],
    ["memory_size: 64", "memory_size: Expected a value between 128 and 10240"],
    ["transport: pigeon", 'transport: Expected "runtime-api" | "rie"'],
    ["scaling: { max_capacity: many }", "scaling.max_capacity: Expected"],
    ["environment: { '1A': x }", "environment.1A: This is no name for a variable"],
    ["environment: { AB: [1] }", "environment.AB: Expected"],
    ['environment: { KEY: "a\\0b" }', "environment.KEY: No variable can hold a null character"],
    ["environment: { AWS_REGION: x }", "environment.AWS_REGION: This variable is reserved"],
    ["image: a, code: ./b", "A function has an image or code, not both"],
    ["5", "Expected object"]
  ] as const)("makes only the function unusable whose entry is wrong: %s", ([entry, mistake]) =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write("g/index.mjs")
      write("functions.yml", `functions:\n  g: { timeout: 5 }\n  f: ${entry === "5" ? "5" : `{ ${entry} }`}\n`)
      const { tag, why } = yield* refusal("f")
      expect(tag).toBe("FunctionUnusable")
      expect(why.startsWith(`${join(folder, "functions.yml")}:3:`)).toBe(true)
      expect(why).toContain(mistake)
      expect((yield* get("g")).name).toBe("g")
      expect(yield* registry((functions) => Effect.map(functions.list, (all) => all.map(({ name }) => name)))).toEqual([
        "g"
      ])
      expect((yield* problems()).map(({ functionName }) => functionName)).toEqual(["f"])
    })
  )

  it.effect("gives a function the URL that it is declared with", () =>
    Effect.gen(function* () {
      for (const name of ["f", "g", "h"]) write(`${name}/index.mjs`)
      write(
        "functions.yml",
        "functions:\n  f: { url: NONE }\n  g:\n    url: AWS_IAM\n    invoke_mode: RESPONSE_STREAM\n" +
          "    cors: { allow_origins: ['*'], allow_credentials: true, max_age: 60 }\n"
      )
      expect((yield* get("f")).url).toEqual({ authType: "NONE", invokeMode: "BUFFERED" })
      expect((yield* get("g")).url).toEqual({
        authType: "AWS_IAM",
        invokeMode: "RESPONSE_STREAM",
        cors: { AllowOrigins: ["*"], AllowCredentials: true, MaxAge: 60 }
      })
      expect((yield* get("h")).url).toBeUndefined()
    })
  )

  it.effect.each([
    ["{ url: PUBLIC }", /functions\.f\.url: /],
    ["{ cors: { max_age: 5 } }", /say 'url: NONE' or 'url: AWS_IAM' as well/],
    ["{ url: NONE, cors: { max_age: 86401 } }", /functions\.f\.cors\.max_age: /]
  ] as const)("refuses the URL of %s", ([entry, why]) =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write("functions.yml", `functions: { f: ${entry} }`)
      expect((yield* refusal("f")).why).toMatch(why)
    })
  )

  it.effect("has what a function says of its asynchronous events", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write(
        "functions.yml",
        "functions:\n  f:\n    async: { retries: 0, max_age: 60, on_success: 'https://a', on_failure: 'https://b', dead_letter: 'https://c', x: 1 }\n"
      )
      expect(yield* get("f")).toMatchObject({
        eventInvoke: { maxRetries: 0, maxAgeSeconds: 60, onSuccess: "https://a", onFailure: "https://b" },
        deadLetterTarget: "https://c"
      })
      const [warning] = FolderFunctionRegistry.load(options()).warnings
      expect(warning?.detail).toContain("functions.f.async.x: this key is unknown and does nothing")
    })
  )

  it.effect("warns of a key it does not know, by name and place, and uses the rest", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write(
        "functions.yml",
        "functoins:\nfunctions:\n  f:\n    timeuot: 3\n    timeout: 9\n    scaling: { max: 3 }\n    url: NONE\n    cors: { maxage: 3 }\n"
      )
      expect(Duration.toSeconds((yield* get("f")).timeout)).toBe(9)
      // None of this keeps the function from running, so it is in the log and makes nothing unready.
      expect(yield* problems()).toEqual([])
      const found = FolderFunctionRegistry.load(options()).warnings
      expect(found.map(({ detail }) => detail.slice(folder.length + 1))).toEqual([
        "functions.yml:1:11: functoins: this key is unknown and does nothing",
        "functions.yml:4:14: functions.f.timeuot: this key is unknown and does nothing",
        "functions.yml:6:21: functions.f.scaling.max: this key is unknown and does nothing",
        "functions.yml:8:21: functions.f.cors.maxage: this key is unknown and does nothing"
      ])
    })
  )

  it.effect("leaves a reserved variable out of the defaults, with a warning, as generated files have one", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write("functions.yml", "defaults:\n  environment: { AWS_DEFAULT_REGION: ap-northeast-1, OTHER: x }\n")
      expect((yield* get("f")).environment).toEqual({ OTHER: "x" })
      expect(FolderFunctionRegistry.load(options()).warnings[0]?.detail).toContain(
        "defaults.environment.AWS_DEFAULT_REGION: reserved"
      )
    })
  )

  it.effect("refuses more workers kept warm than there may be", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      write("functions.yml", "functions:\n  f: { scaling: { min_capacity: 4 } }\n")
      expect((yield* refusal("f")).why).toBe("Function 'f': min_capacity 4 is above max_capacity 3")
    })
  )

  it.effect("says of a folder without code what it looked for, and of a bootstrap what it lacks", () =>
    Effect.gen(function* () {
      write("empty/README.md")
      write("stuck/bootstrap", "#!/bin/sh\n", 0o644)
      write(".git/HEAD")
      write("node_modules/x/index.js")
      expect((yield* refusal("empty")).why).toContain("has no index.mjs")
      expect((yield* refusal("stuck")).why).toContain("is not executable: chmod +x it")
      expect((yield* problems()).map(({ functionName }) => functionName)).toEqual(["empty", "stuck"])
    })
  )

  it.effect("does not take a folder for an image when its entry says how to run code", () =>
    Effect.gen(function* () {
      write(
        "functions.yml",
        "functions:\n  f: { runtime: nodejs22.x, handler: index.handler }\n  g: { code: ./nope }\n"
      )
      expect((yield* refusal("f")).why).toContain(`there is no folder ${join(folder, "f")}`)
      expect((yield* refusal("g")).why).toContain(`there is no folder ${join(folder, "nope")}`)
    })
  )

  it.effect("knows neither a function that is not there nor a version that was not published", () =>
    Effect.gen(function* () {
      write("f/index.mjs")
      expect((yield* refusal("g")).tag).toBe("FunctionNotFound")
      const version = yield* registry((functions) => Effect.flip(functions.get("f", "1")))
      expect(version._tag).toBe("FunctionNotFound")
      const [first, second] = yield* registry((functions) =>
        Effect.all([functions.get("f"), functions.get("f", "$LATEST")])
      )
      expect(first).toBe(second)
    })
  )

  it.effect("reports a folder that is not there", () =>
    Effect.gen(function* () {
      const nowhere = join(folder, "nowhere")
      const [problem] = yield* registry((functions) => functions.problems, {}, nowhere)
      expect(problem?.detail).toContain(`The functions' folder ${nowhere} cannot be read`)
    })
  )

  it.effect("finds every example usable, without a warning", () =>
    Effect.gen(function* () {
      const examples = join(import.meta.dirname, "../../examples/functions")
      const [names, found] = yield* registry(
        (functions) =>
          Effect.all([Effect.map(functions.list, (all) => all.map(({ name }) => name)), functions.problems]),
        {},
        examples
      )
      expect(found).toEqual([])
      expect(FolderFunctionRegistry.load(options({}, examples)).warnings).toEqual([])
      expect(names).toEqual(["big", "echo", "echo-small", "fail", "hello-python", "shell", "sleep", "stream"])
    })
  )

  it.effect("holds every timeout to the platform's own limit", () =>
    Effect.gen(function* () {
      write("long/index.mjs")
      write("short/index.mjs")
      write("functions.yml", "functions: { long: { timeout: 900 }, short: { timeout: 2 } }")
      const bounded = { ...options(), maxTimeout: Duration.seconds(30) }
      const list = FunctionRegistry.use((functions) => functions.list)
      const configs = yield* Effect.provide(list, FolderFunctionRegistry.layer(bounded))
      expect(configs.map(({ name, timeout }) => [name, Duration.toSeconds(timeout)])).toEqual([
        ["long", 30],
        ["short", 2]
      ])
    })
  )

  describe("watching", () => {
    const watching = <A, E>(body: (registry: FunctionRegistry["Service"]) => Effect.Effect<A, E>) =>
      Effect.provide(FunctionRegistry.use(body), FolderFunctionRegistry.layer({ ...options(), watch: true }))

    /** Looks again and again, for as long as a test may take. */
    const until = <A, E>(look: Effect.Effect<A, E>, isSo: (seen: A) => boolean) =>
      Effect.repeat(Effect.delay(look, "20 millis"), { until: isSo })

    beforeEach(() => {
      write("f/index.mjs", "one")
      write("g/index.mjs", "one")
    })

    it.live("has a changed function anew, and the others as they were", () =>
      watching((functions) =>
        Effect.gen(function* () {
          const [f, g] = [yield* functions.get("f"), yield* functions.get("g")]
          write("f/lib/part.mjs", "two")
          const changed = yield* until(functions.get("f"), (config) => config !== f)
          expect(fingerprint(changed)).not.toBe(fingerprint(f))
          expect(yield* functions.get("g")).toBe(g)
        })
      )
    )

    it.live("has new settings, new functions, and no functions that are gone", () =>
      watching((functions) =>
        Effect.gen(function* () {
          write("functions.yml", "functions: { f: { timeout: 7 } }")
          const changed = yield* until(functions.get("f"), (config) => Duration.toSeconds(config.timeout) === 7)
          expect(changed.version).toBe("$LATEST")
          write("h/index.mjs")
          rmSync(join(folder, "g"), { recursive: true })
          const names = Effect.map(functions.list, (configs) => configs.map(({ name }) => name).join())
          expect(yield* until(names, (seen) => seen === "f,h")).toBe("f,h")
        })
      )
    )

    it.live("serves what it served while the file is broken, says so, and takes it up again when it is mended", () =>
      watching((functions) =>
        Effect.gen(function* () {
          const f = yield* functions.get("f")
          write("functions.yml", "functions: [")
          const problems = yield* until(functions.problems, (seen) => seen.length > 0)
          expect(problems[0]?.detail).toMatch(/functions\.yml:1:/)
          expect(yield* functions.get("f")).toBe(f)
          write("functions.yml", "functions: { f: { memory_size: 256 } }")
          yield* until(functions.get("f"), ({ memoryMegabytes }) => memoryMegabytes === 256)
          expect(yield* functions.problems).toEqual([])
        })
      )
    )
  })
})
