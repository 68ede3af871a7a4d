import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Scope } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import { functionsFileSource } from "../../src/schedules/functionsFileSource.ts"

const folders: Array<string> = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const folderWith = (text: string) => {
  const folder = mkdtempSync(join(tmpdir(), "irori-schedules-"))
  folders.push(folder)
  writeFileSync(join(folder, "functions.yml"), text)
  return folder
}

const open = (folder: string, watch = false) =>
  Effect.scoped(functionsFileSource({ folder, environment: { ZONE: "Asia/Tokyo" }, watch })).pipe(Effect.runPromise)

describe("the schedules of functions.yml", () => {
  it("are rules, but where they say what only EventBridge Scheduler knows", async () => {
    const source = await open(
      folderWith(`
functions:
  report:
    schedules:
      - expression: rate(5 minutes)
      - { name: nightly, expression: cron(0 2 * * ? *), timezone: "\${ZONE}", enabled: false }
      - { name: once, expression: "at(2030-01-01T00:00:00)" }
      - { name: bounded, expression: rate(1 day), start: "2030-01-01T00:00:00Z", end: "2031-01-01T00:00:00Z" }
  other: {}
`)
    )
    expect(source.problems()).toEqual([])
    expect(source.schedules()).toEqual([
      {
        name: expect.stringMatching(/^report-[0-9a-f]{8}$/),
        kind: "rule",
        functionName: "report",
        expression: "rate(5 minutes)",
        isEnabled: true
      },
      {
        name: "nightly",
        kind: "schedule",
        functionName: "report",
        expression: "cron(0 2 * * ? *)",
        timezone: "Asia/Tokyo",
        isEnabled: false
      },
      {
        name: "once",
        kind: "schedule",
        functionName: "report",
        expression: "at(2030-01-01T00:00:00)",
        isEnabled: true
      },
      {
        name: "bounded",
        kind: "schedule",
        functionName: "report",
        expression: "rate(1 day)",
        start: "2030-01-01T00:00:00Z",
        end: "2031-01-01T00:00:00Z",
        isEnabled: true
      }
    ])
  })

  it("have the input that is written, as JSON or as a text that is JSON", async () => {
    const source = await open(
      folderWith(`
functions:
  report:
    schedules:
      - { name: a, expression: rate(1 hour), input: { deep: [1, null, "x"] } }
      - { name: b, expression: rate(1 hour), input: '{ "as": "it stands" }' }
      - { name: c, expression: rate(1 hour), input: hello }
      - { name: d, expression: rate(1 hour), input: 0 }
`)
    )
    expect(source.schedules().map(({ input }) => input)).toEqual([
      '{"deep":[1,null,"x"]}',
      '{ "as": "it stands" }',
      '"hello"',
      "0"
    ])
  })

  it("are none where there is no file, and unknown where it or an entry of it is broken", async () => {
    const folder = folderWith(
      "functions:\n  a:\n    schedules: [{ expression: 5 }]\n  b:\n    schedules: [{ expression: x }]\n"
    )
    const source = await open(folder)
    expect(source.problems()).toEqual([
      { functionName: "a", detail: expect.stringContaining("schedules.0.expression") }
    ])
    expect(source.schedules().map(({ functionName }) => functionName)).toEqual(["b"])
    expect((await open(folderWith("functions: ["))).problems()).toHaveLength(1)
    rmSync(join(folder, "functions.yml"))
    expect((await open(folder)).schedules()).toEqual([])
    expect((await open(folder)).problems()).toEqual([])
  })

  it("are read again when the file changes, and said to have changed only where they have", async () => {
    const folder = folderWith("functions:\n  a:\n    schedules: [{ name: n, expression: rate(1 hour) }]\n")
    const scope = Scope.makeUnsafe()
    const source = await Effect.runPromise(
      Scope.provide(functionsFileSource({ folder, environment: {}, watch: true }), scope)
    )
    const before = source.schedules()
    const write = (text: string) => {
      const changed = new Promise<void>((resolve) => source.onChange(resolve))
      writeFileSync(join(folder, "functions.yml"), text)
      return changed
    }
    await write("functions:\n  a:\n    schedules: [{ name: n, expression: rate(2 hours) }]\n")
    expect(source.schedules()).toEqual([{ ...before[0], expression: "rate(2 hours)" }])
    const changed = source.schedules()
    writeFileSync(join(folder, "functions.yml"), "functions: [")
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(source.schedules()).toBe(changed)
    await write("functions: {}\n")
    expect(source.schedules()).toEqual([])
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })
})
