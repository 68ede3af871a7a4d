/** Looks programs up on a PATH, as a shell does, and takes only those that run. */
import { execFile } from "node:child_process"
import { accessSync, constants, statSync } from "node:fs"
import { basename, delimiter, isAbsolute, join } from "node:path"
import { Effect } from "effect"

/** A program that says nothing for this long counts as one that does not run. */
const probeTimeoutMillis = 10_000

export const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** `path` without the folder that `bun run` puts in front of it, whose `node` is Bun. */
export const withoutBunsNode = (path: string): string =>
  path
    .split(delimiter)
    .filter((folder) => !basename(folder).startsWith("bun-node-"))
    .join(delimiter)

/**
 * Version managers put stubs on the PATH, for versions that are not installed too, and a stub adds variables of its
 * own. So a program is asked for its executable, and one that gives no answer does not count.
 */
const locate = (file: string, args: ReadonlyArray<string>, path: string) =>
  Effect.callback<string | undefined>((resume) => {
    const probe = execFile(
      file,
      args,
      { env: { PATH: path }, timeout: probeTimeoutMillis, killSignal: "SIGKILL" },
      (error, output) => {
        const located = output.trim()
        resume(Effect.succeed(error === null && isAbsolute(located) && isExecutable(located) ? located : undefined))
      }
    )
    return Effect.sync(() => probe.kill("SIGKILL"))
  })

/** The executable of the first of `names` that is on `path` and runs. A name that is absolute is not looked up. */
export const findProgram = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  locateArgs: ReadonlyArray<string>,
  path: string
) {
  const folders = path.split(delimiter).filter(isAbsolute)
  for (const name of names) {
    const candidates = isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name))
    for (const candidate of candidates.filter(isExecutable)) {
      const file = yield* locate(candidate, locateArgs, path)
      if (file !== undefined) return file
    }
  }
  return undefined
})
