/** `examples/compose.yaml` by parsing: what it names is there, and its settings are such that Irori starts with. */
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { parse } from "yaml"
import { loadSettings } from "../src/Config.ts"

const root = join(import.meta.dirname, "..")
const environment: Readonly<Record<string, string>> = { IRORI_API_KEY: "0123456789abcdef", PWD: root }

/** As Compose does it: `${NAME}`, `${NAME:-default}`, `${NAME:?why}`. */
const substituted = (text: string) =>
  text.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, kind?: string, rest = "") => {
    const value = environment[name]
    if (value === undefined && kind !== "-") throw new Error(`${name} is not set`)
    return value ?? rest
  })

interface Service {
  readonly build: { readonly context: string; readonly dockerfile_inline: string }
  readonly environment: Readonly<Record<string, string>>
  readonly volumes: ReadonlyArray<string>
}
const file: {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
} = parse(substituted(readFileSync(join(root, "examples/compose.yaml"), "utf8").replace(/^#.*$/gm, "")))
const services = Object.entries(file.services)

describe("examples/compose.yaml", () => {
  it("has the two ways to run workers", () => {
    expect(services.map(([name]) => name)).toEqual(["irori", "irori-docker"])
  })

  it.effect.each(services)("%s has settings that Irori starts with", ([, service]) =>
    Effect.gen(function* () {
      const settings = yield* loadSettings(service.environment)
      expect(Option.getOrThrow(settings.apiKey)).toBe(environment.IRORI_API_KEY)
      expect([settings.port, settings.signIn]).toEqual([3000, undefined])
    })
  )

  it.each(services)("%s is built of files that there are", (_, { build }) => {
    const context = resolve(root, "examples", build.context)
    const copied = [...build.dockerfile_inline.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, names]) => names!.split(" "))
    expect(copied).toContain("bun.lock")
    expect(copied.filter((name) => !existsSync(join(context, name)))).toEqual([])
    const [, program] = /CMD \["bun", "([^"]+)", "serve"\]/.exec(build.dockerfile_inline)!
    expect(existsSync(join(context, program!))).toBe(true)
  })

  it.each(services)("%s sees the folders that its settings name", (_, { environment, volumes }) => {
    const mounts = volumes.map((volume) => volume.split(":") as [string, string, string?])
    for (const path of [environment.IRORI_FUNCTIONS_DIR, environment.IRORI_STATE_DIR]) {
      expect(mounts.map(([, inside]) => inside)).toContain(path)
    }
    for (const [source] of mounts) {
      if (/^[.]?\//.test(source) && !/docker\.sock|\.irori$/.test(source)) {
        expect([source, existsSync(resolve(root, "examples", source))]).toEqual([source, true])
      } else if (!source.startsWith("/")) expect(Object.keys(file.volumes)).toContain(source)
    }
  })
})
