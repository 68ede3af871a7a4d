/**
 * The URLs of functions and of aliases: which there are, and how each is set (`LAMBDA-CONTRACT.md` section 11.1). Who
 * may call one is the policies' to say; what a call becomes, the gateway's.
 */
import { createHash, randomInt } from "node:crypto"
import { Clock, Context, Effect, Layer } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import { functionArn, type Owner, type Qualifier } from "../domain/FunctionName.ts"
import type { FunctionReference } from "../domain/FunctionReference.ts"
import type { CorsPolicy } from "../events/Cors.ts"
import { FunctionRegistry } from "../registry/FunctionRegistry.ts"
import { ControlDatabase, type Row, type SqlDatabase, type Tables } from "./Database.ts"
import { InvalidParameterValue, ResourceConflict, ResourceNotFound } from "./refusals.ts"

export type FunctionUrlAuthType = "NONE" | "AWS_IAM"
export type FunctionUrlInvokeMode = "BUFFERED" | "RESPONSE_STREAM"

export interface FunctionUrlSettings {
  readonly authType: FunctionUrlAuthType
  readonly cors?: CorsPolicy
  readonly invokeMode: FunctionUrlInvokeMode
}

export interface FunctionUrl extends FunctionUrlSettings {
  /** 32 lower-case letters and digits: the first label of its host. */
  readonly id: string
  readonly functionName: string
  /** An alias; absent for the function itself. */
  readonly qualifier?: Qualifier
  /** It comes from a file, and what it is can be changed there alone. To declare it is to permit it. */
  readonly isDeclared?: true
  /** Unix. */
  readonly createdMillis: number
  readonly modifiedMillis: number
}

export interface FunctionUrlPage {
  readonly urls: ReadonlyArray<FunctionUrl>
  /** Absent on the last page. */
  readonly nextMarker?: string
}

export interface FunctionUrlsOptions {
  readonly owner: Owner
  /**
   * What comes after the region in a URL's host: `localhost`, `example.com:8080`, or `https://example.com`. Without a
   * scheme and a port they are those under which the caller reached the API.
   */
  readonly domain: string
}

export class FunctionUrls extends Context.Service<
  FunctionUrls,
  {
    /** A function, or an alias, has one at most. */
    readonly create: (
      reference: FunctionReference,
      settings: Omit<FunctionUrlSettings, "invokeMode"> & Partial<FunctionUrlSettings>
    ) => Effect.Effect<FunctionUrl, ResourceConflict | ResourceNotFound>
    readonly get: (reference: FunctionReference) => Effect.Effect<FunctionUrl, ResourceNotFound>
    /** Leaves alone what `settings` does not have. */
    readonly update: (
      reference: FunctionReference,
      settings: Partial<FunctionUrlSettings>
    ) => Effect.Effect<FunctionUrl, ResourceNotFound | InvalidParameterValue>
    /** That of a function; those of its aliases stay. */
    readonly remove: (reference: FunctionReference) => Effect.Effect<void, ResourceNotFound | InvalidParameterValue>
    /** Those of a function and its aliases, the oldest first. */
    readonly list: (
      reference: FunctionReference,
      page: { readonly marker?: string; readonly maxItems?: number }
    ) => Effect.Effect<FunctionUrlPage, ResourceNotFound>
    readonly find: (id: string) => Effect.Effect<FunctionUrl | undefined>
    /** Where it answers, as seen from a caller who reaches the API at `origin`. */
    readonly linkTo: (url: FunctionUrl, origin: string) => string
    readonly arnOf: (url: FunctionUrl) => string
    /** The host of the URL with this id, without a port. */
    readonly hostOf: (id: string) => string
  }
>()("irori/control/FunctionUrls") {
  static readonly layer = (options: FunctionUrlsOptions) => Layer.effect(FunctionUrls, make(options))
}

export const functionUrlTables: Tables = {
  name: "function urls",
  steps: [
    // The function itself has the empty qualifier.
    `CREATE TABLE function_urls (
       id TEXT PRIMARY KEY,
       function TEXT NOT NULL,
       qualifier TEXT NOT NULL,
       auth_type TEXT NOT NULL,
       cors TEXT,
       invoke_mode TEXT NOT NULL,
       created_millis INTEGER NOT NULL,
       modified_millis INTEGER NOT NULL,
       UNIQUE (function, qualifier)
     ) STRICT`
  ]
}

const maxPage = 50

const make = Effect.fnUntraced(function* ({ domain, owner }: FunctionUrlsOptions) {
  const database = yield* ControlDatabase
  const registry = yield* FunctionRegistry
  yield* database.prepare(functionUrlTables)
  const place = placeOf(domain)

  /** Fails where the registry knows no such function or alias; one that cannot run exists. */
  const demand = ({ name, qualifier }: FunctionReference) =>
    registry.get(name, qualifier).pipe(
      Effect.asVoid,
      Effect.catchTag("FunctionUnusable", () => Effect.void),
      Effect.catchTag("FunctionNotFound", () => new ResourceNotFound({ detail: "Function does not exist" }))
    )
  const arnOf = (reference: FunctionReference) => functionArn(owner, reference.name, reference.qualifier)
  const hostOf = (id: string) => `${id}.lambda-url.${owner.region}.${place.hostname}`

  /** By functions' names. */
  const declaredIds = new Map<string, string>()
  const declaredId = (name: string): string => {
    const known = declaredIds.get(name)
    if (known !== undefined) return known
    const id = idOf(`${owner.accountId} ${owner.region} ${name}`)
    declaredIds.set(name, id)
    return id
  }
  const declaredBy = ({ name, url }: FunctionConfig): FunctionUrl | undefined =>
    url === undefined
      ? undefined
      : { ...url, id: declaredId(name), functionName: name, isDeclared: true, createdMillis: 0, modifiedMillis: 0 }

  /** Of a function, or of one alias of it. */
  const known = ({ name, qualifier }: FunctionReference) =>
    Effect.suspend(() => {
      const url = read(database, { name, ...(qualifier === undefined ? {} : { qualifier }) })
      if (url !== undefined || qualifier !== undefined) return Effect.succeed(url)
      return registry.get(name).pipe(
        Effect.map(declaredBy),
        Effect.catch(() => Effect.succeed(undefined))
      )
    })
  const stored = (reference: FunctionReference) =>
    Effect.flatMap(known(reference), (url) =>
      url === undefined
        ? Effect.fail(new ResourceNotFound({ detail: "The resource you requested does not exist." }))
        : Effect.succeed(url)
    )
  const changeable = (reference: FunctionReference) =>
    Effect.flatMap(stored(reference), (url) =>
      url.isDeclared === true
        ? Effect.fail(
            new InvalidParameterValue({
              detail: `The URL of ${url.functionName} comes from a file: change it where its function is declared.`
            })
          )
        : Effect.succeed(url)
    )

  return FunctionUrls.of({
    create: Effect.fnUntraced(function* (reference, settings) {
      yield* demand(reference)
      if ((yield* known(reference)) !== undefined) {
        const arn = arnOf(reference)
        return yield* new ResourceConflict({
          detail: `Failed to create function url config for [functionArn = ${arn}]. Error message:  FunctionUrlConfig exists for this Lambda function`
        })
      }
      const now = yield* Clock.currentTimeMillis
      const url: FunctionUrl = {
        id: newId(),
        functionName: reference.name,
        ...(reference.qualifier === undefined ? {} : { qualifier: reference.qualifier }),
        invokeMode: "BUFFERED",
        ...settings,
        createdMillis: now,
        modifiedMillis: now
      }
      write(database, url)
      return url
    }),
    get: stored,
    update: Effect.fnUntraced(function* (reference, settings) {
      yield* demand(reference)
      const before = yield* changeable(reference)
      const url = { ...before, ...settings, modifiedMillis: yield* Clock.currentTimeMillis }
      write(database, url)
      return url
    }),
    remove: (reference) =>
      Effect.map(changeable(reference), ({ id }) => void database.run("DELETE FROM function_urls WHERE id = ?", id)),
    list: Effect.fnUntraced(function* (reference, { marker, maxItems = maxPage }) {
      yield* demand({ name: reference.name })
      const rows = database.all(
        "SELECT rowid, * FROM function_urls WHERE function = ? AND rowid > ? ORDER BY rowid LIMIT ?",
        reference.name,
        Number(marker ?? 0) || 0,
        Math.min(maxItems, maxPage) + 1
      )
      const page = rows.slice(0, Math.min(maxItems, maxPage))
      const url = yield* known({ name: reference.name })
      // It has no row, and is shown before those that have.
      const declared = url?.isDeclared === true && marker === undefined ? [url] : []
      return {
        urls: [...declared, ...page.map(functionUrl)],
        ...(rows.length > page.length ? { nextMarker: String(page.at(-1)?.rowid) } : {})
      }
    }),
    find: (id) =>
      Effect.suspend(() => {
        const row = database.get("SELECT * FROM function_urls WHERE id = ?", id)
        if (row !== undefined) return Effect.succeed(functionUrl(row))
        return Effect.map(registry.list, (configs) => {
          const config = configs.find(({ name, url }) => url !== undefined && declaredId(name) === id)
          // One that was made through the API has taken its place.
          const isTaken = config !== undefined && read(database, { name: config.name }) !== undefined
          return config === undefined || isTaken ? undefined : declaredBy(config)
        })
      }),
    linkTo: ({ id }, origin) => {
      const reached = new URL(origin)
      const port = place.port ?? (place.scheme === undefined ? reached.port : "")
      return `${place.scheme ?? reached.protocol}//${hostOf(id)}${port === "" ? "" : `:${port}`}/`
    },
    arnOf: ({ functionName, qualifier }) => functionArn(owner, functionName, qualifier),
    hostOf
  })
})

const letters = "abcdefghijklmnopqrstuvwxyz0123456789"

const newId = (): string => Array.from({ length: 32 }, () => letters[randomInt(letters.length)]).join("")

/** The same one for the same text, on every machine: a link to a function of a file stays what it is. */
const idOf = (text: string): string =>
  [...createHash("sha256").update(text).digest()].map((byte) => letters[byte % letters.length]).join("")

/** The parts of the setting; undefined is what it leaves to the caller's origin. */
const placeOf = (domain: string) => {
  const [, scheme, hostname = "", port] = /^(?:(https?:)\/\/)?([^:/]+)(?::(\d+))?\/?$/.exec(domain) ?? []
  return { scheme, hostname, port }
}

const write = (database: SqlDatabase, url: FunctionUrl): void => {
  database.run(
    `INSERT INTO function_urls VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
       auth_type = excluded.auth_type, cors = excluded.cors, invoke_mode = excluded.invoke_mode,
       modified_millis = excluded.modified_millis`,
    url.id,
    url.functionName,
    url.qualifier ?? "",
    url.authType,
    url.cors === undefined ? null : JSON.stringify(url.cors),
    url.invokeMode,
    url.createdMillis,
    url.modifiedMillis
  )
}

const read = (database: SqlDatabase, { name, qualifier = "" }: FunctionReference): FunctionUrl | undefined => {
  const row = database.get("SELECT * FROM function_urls WHERE function = ? AND qualifier = ?", name, qualifier)
  return row === undefined ? undefined : functionUrl(row)
}

/** What was written by `write` alone. */
const functionUrl = (row: Row): FunctionUrl => ({
  id: String(row.id),
  functionName: String(row.function),
  ...(row.qualifier === "" ? {} : { qualifier: String(row.qualifier) }),
  authType: row.auth_type as FunctionUrlAuthType,
  ...(row.cors === null ? {} : { cors: JSON.parse(String(row.cors)) as CorsPolicy }),
  invokeMode: row.invoke_mode as FunctionUrlInvokeMode,
  createdMillis: Number(row.created_millis),
  modifiedMillis: Number(row.modified_millis)
})
