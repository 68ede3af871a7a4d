/** `irori build`: makes the images of functions that have a Dockerfile, with the `docker` program. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Logger } from "effect"
import type { Settings } from "../Config.ts"
import { load } from "../registry/FolderFunctionRegistry.ts"
import type { ImageBuild } from "../template/Template.ts"
import { TemplateFile } from "../template/TemplateFile.ts"
import { isFolderServed, templateFile } from "../templateLayers.ts"
import { type Command, CommandFailed } from "./Command.ts"
import { print, printAside } from "./print.ts"

interface Image extends ImageBuild {
  readonly uri: string
}

/** A function of `functions.yml` that names an image, and has a Dockerfile in its folder. */
const ofFolder = (settings: Settings): ReadonlyArray<Image> => {
  if (!isFolderServed(settings)) return []
  const { environment, functionsDir } = settings
  const { usable } = load({ folder: functionsDir, defaults: settings, environment })
  return [...usable.values()].flatMap(({ code, name }) => {
    const context = resolve(functionsDir, name)
    const dockerfile = join(context, "Dockerfile")
    if (code._tag !== "CodeImage" || !existsSync(dockerfile)) return []
    return [{ uri: code.uri, context, dockerfile, buildArguments: {} }]
  })
}

/** A function of the template whose metadata names a Dockerfile. */
const ofTemplate = (settings: Settings): Effect.Effect<ReadonlyArray<Image>, CommandFailed> =>
  TemplateFile.use((file) => {
    const broken = file.broken()
    if (broken !== undefined) return Effect.fail(new CommandFailed({ detail: broken }))
    return Effect.succeed(
      [...file.current().functions.values()].flatMap(({ code }) =>
        code._tag === "Image" && code.build !== undefined ? [{ uri: code.uri, ...code.build }] : []
      )
    )
    // What is odd about the template, who serves it says.
  }).pipe(Effect.provide(templateFile(settings)), Effect.provide(Logger.layer([])))

const commandOf = ({ buildArguments, context, dockerfile, target, uri }: Image): ReadonlyArray<string> => [
  "build",
  "--tag",
  uri,
  "--file",
  dockerfile,
  ...Object.entries(buildArguments).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
  ...(target === undefined ? [] : ["--target", target]),
  context
]

/** Answers with its exit code. */
const docker = (args: ReadonlyArray<string>) =>
  Effect.callback<number, CommandFailed>((resume) => {
    const child = spawn("docker", args, { stdio: "inherit" })
    child.on("error", (error) =>
      resume(Effect.fail(new CommandFailed({ detail: `docker cannot be run: ${error.message}` })))
    )
    child.on("exit", (code) => resume(Effect.succeed(code ?? 1)))
    return Effect.sync(() => void child.kill())
  })

const quoted = (word: string): string => (/^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

export const build: Command = {
  usage: "[--dry-run]",
  summary: "Makes the images of functions that have a Dockerfile; --dry-run shows how",
  words: [0, 0],
  flags: ["dry-run"],
  run: ({ flags }, settings) =>
    Effect.gen(function* () {
      const images = [...ofFolder(settings), ...(yield* ofTemplate(settings))]
      if (images.length === 0) yield* printAside("irori: no function has an image and a Dockerfile: nothing to build")
      for (const image of images) {
        const args = commandOf(image)
        yield* print(["docker", ...args].map(quoted).join(" "))
        const code = flags.has("dry-run") ? 0 : yield* docker(args)
        if (code !== 0) return yield* new CommandFailed({ detail: `${image.uri} was not built` })
      }
      return 0
    })
}
