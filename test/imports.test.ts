import { readdirSync, readFileSync } from "node:fs"
import { expect, it } from "vitest"

const files = ["src", "plugins"].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${folder}/${file}`)
)

const imports = (file: string) =>
  [...readFileSync(file, "utf8").matchAll(/(?:from|import\() ?"([^"]+)"/g)].map(([, module]) => module!)

const offenders = (within: RegExp, banned: RegExp) =>
  files
    .filter((file) => within.test(file))
    .flatMap((file) =>
      imports(file)
        .filter((module) => banned.test(module))
        .map((module) => `${file} -> ${module}`)
    )

it.each<readonly [string, RegExp, RegExp]>([
  ["the domain imports nothing but effect", /^src\/domain\//, /^(?!effect$|\.\/)/],
  ["elysia stays in plugins and where they are put together", /^src\/(?!main\.ts)/, /^(elysia|@elysiajs)/],
  ["only the composition root reads plugins", /^src\/(?!main\.ts)/, /plugins\//],
  ["dockerode stays behind DockerAdaptor", /^(?!src\/provision\/(DockerAdaptor|loadDockerode)\.ts)/, /^dockerode/],
  [
    "plugins see contracts, not implementations",
    /^plugins\//,
    /src\/(provision\/(Docker|Process|Auto|Local|Http)|pool\/|registry\/Folder|invoke\/(Http|Rie|RuntimeApi|Transport))/
  ],
  ["the pool's core does no I/O and has no Effect", /^src\/pool\/WorkerPool\.ts/, /^(effect|node:)/]
])("%s", (_, within, banned) => {
  expect(offenders(within, banned)).toEqual([])
})

const sources = (pattern: RegExp, except: RegExp) =>
  files.filter((file) => !except.test(file) && pattern.test(readFileSync(file, "utf8")))

it("the environment is read in Config.ts alone", () => {
  expect(sources(/\bprocess\.env\b|Bun\.env|Deno\.env/, /^src\/Config\.ts/)).toEqual([])
})

it("APIs of one runtime stay in its adapter", () => {
  expect(sources(/\bBun\.[a-z]|"bun:/, /^src\/(net\/BunStreams|forgetStart)\.ts/)).toEqual([])
  expect(sources(/\bDeno\.[a-z]/, /^$/)).toEqual([])
})

it("time is the clock's", () => {
  // Ids and access log measure wall time for people; nothing waits by it.
  expect(sources(/(?<!\.)\bset(Interval|Timeout)\(/, /^src\/(runtimes\/|provision\/ProcessReaper)/)).toEqual([])
})
