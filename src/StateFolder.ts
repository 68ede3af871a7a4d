/**
 * The folder that outlives the process: who this installation is, and that only one process of each role works in it
 * at a time. The lock is SQLite's, which the kernel releases however the process ends.
 */
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import process from "node:process"
import { DatabaseSync } from "node:sqlite"
import { Effect, Schema, type Scope } from "effect"

/** The folder cannot be used, or another process is using it. */
export class StateFolderUnusable extends Schema.TaggedError<StateFolderUnusable>()("StateFolderUnusable", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface StateFolder {
  /** Absolute. */
  readonly path: string
  /** Names this installation for as long as the folder is kept: whose a container is. */
  readonly instanceId: string
  /** What gateway and manager of this installation know each other by. */
  readonly managerToken: string
}

/** Who holds the lock, for `processIn`. A disk that is full is no reason not to work. */
const noteProcess = (path: string, role: string): void => {
  try {
    writeFileSync(join(path, `${role}.pid`), String(process.pid))
  } catch {}
}

/** The process that works in the folder in this role, if there is one. */
export const processIn = (folder: string, role: "gateway" | "manager"): number | undefined => {
  const path = resolve(folder)
  try {
    // Another process may have the number of one that is gone, but not its lock.
    if (!isLocked(path, role)) return undefined
    const pid = Number(readFileSync(join(path, `${role}.pid`), "utf8"))
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

const isLocked = (path: string, role: string): boolean => {
  const database = new DatabaseSync(join(path, `${role}.lock`), { readOnly: true })
  try {
    database.exec("SELECT * FROM sqlite_schema")
    return false
  } catch (cause) {
    return /locked/i.test(messageOf(cause))
  } finally {
    database.close()
  }
}

/** Opens the folder for `roles`, making it where it is not there; held until the scope closes. */
export const openStateFolder = (
  folder: string,
  roles: ReadonlyArray<"gateway" | "manager">
): Effect.Effect<StateFolder, StateFolderUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    const path = resolve(folder)
    const unusable = (cause: unknown) =>
      new StateFolderUnusable({
        detail: `The state folder ${path} cannot be used (${messageOf(cause)}): make it writable, or set IRORI_STATE_DIR.`
      })
    yield* Effect.try({ try: () => mkdirSync(path, { recursive: true, mode: 0o700 }), catch: unusable })
    for (const role of roles) yield* lock(path, role)
    return {
      path,
      instanceId: yield* Effect.try({ try: () => keep(join(path, "instance"), 6), catch: unusable }),
      managerToken: yield* Effect.try({ try: () => keep(join(path, "manager-token"), 32), catch: unusable })
    }
  })

const lock = (path: string, role: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const database = new DatabaseSync(join(path, `${role}.lock`))
        database.exec("BEGIN EXCLUSIVE")
        noteProcess(path, role)
        return database
      },
      catch: (cause) =>
        new StateFolderUnusable({
          detail: /locked/i.test(messageOf(cause))
            ? `Another Irori ${role} is using the state folder ${path}: stop it, or set IRORI_STATE_DIR to another folder.`
            : `The state folder ${path} cannot be locked: ${messageOf(cause)}`
        })
    }),
    (database) => Effect.sync(() => database.close())
  )

/** The hexadecimal text in a file, made up and written on first use. Of two processes at once, the first one's stays. */
const keep = (file: string, bytes: number): string => {
  try {
    writeFileSync(file, randomBytes(bytes).toString("hex"), { flag: "wx", mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error
  }
  return readFileSync(file, "utf8").trim()
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
