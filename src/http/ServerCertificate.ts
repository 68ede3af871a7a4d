/**
 * The certificate that a server shows: from files, read again when they change, or one of its own for development, made
 * on first use. A pair of files that cannot be used is refused at the start; later on the last good one is kept.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createSecureContext } from "node:tls"
import { Clock, Duration, Effect, Schema, type Scope } from "effect"
import { watchFile } from "../registry/watchFolder.ts"
import { selfSignedCertificate } from "./selfSignedCertificate.ts"

/** PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

export interface ServerCertificate {
  readonly current: () => KeyPair
  /** Calls `changed` whenever there is another one. */
  readonly onChange: (changed: () => void) => void
}

export class CertificateUnusable extends Schema.TaggedError<CertificateUnusable>()("CertificateUnusable", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export interface CertificateFiles {
  /** The certificate, and those between it and an authority, behind one another. */
  readonly cert: string
  readonly key: string
}

/** Not every change is told: a folder that is a link may be swapped for another. */
const lookInterval = Duration.minutes(1)

export const certificateFiles = (
  files: CertificateFiles
): Effect.Effect<ServerCertificate, CertificateUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    let current = yield* readPair(files)
    const listeners: Array<() => void> = []
    let said = ""
    const reload = Effect.gen(function* () {
      const read = yield* readPair(files)
      said = ""
      if (read.cert === current.cert && read.key === current.key) return
      current = read
      for (const changed of listeners) changed()
      yield* Effect.logInfo(`The certificate ${files.cert} was read again`)
    }).pipe(
      Effect.catchTag("CertificateUnusable", ({ detail }) => {
        // Between the change of one file and of the other they do not belong together.
        if (detail === said) return Effect.void
        said = detail
        return Effect.logWarning(`${detail} The one before it is used on.`)
      })
    )
    yield* watchFile(files.cert, reload)
    yield* watchFile(files.key, reload)
    yield* Effect.forkScoped(Effect.forever(Effect.delay(reload, lookInterval)))
    return { current: () => current, onChange: (changed) => void listeners.push(changed) }
  })

const readPair = ({ cert, key }: CertificateFiles): Effect.Effect<KeyPair, CertificateUnusable> =>
  Effect.try({
    try: () => {
      const pair = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") }
      if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) {
        throw new Error("the key is another one's")
      }
      createSecureContext(pair)
      return pair
    },
    catch: (cause) =>
      new CertificateUnusable({
        detail: `The certificate ${cert} with the key ${key} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}.`
      })
  })

export interface DevelopmentOptions {
  /** Where it is kept. */
  readonly folder: string
  /** Names and addresses it is for, beside those of this machine. */
  readonly hosts: ReadonlyArray<string>
}

/** Longer than browsers take one for good is of no use. */
const validity = Duration.days(397)
const renewal = Duration.days(30)

export const developmentCertificatePath = (folder: string): string => join(folder, "tls", "certificate.pem")

/** Kept as long as it is good for another month and for the same hosts: who trusts it does so once. */
export const developmentCertificate = ({
  folder,
  hosts
}: DevelopmentOptions): Effect.Effect<ServerCertificate, CertificateUnusable> =>
  Effect.gen(function* () {
    const nowMillis = yield* Clock.currentTimeMillis
    const all = [...new Set(["localhost", "*.localhost", "127.0.0.1", "::1", ...hosts])]
    const files = { cert: developmentCertificatePath(folder), key: join(folder, "tls", "key.pem") }
    const kept = yield* Effect.option(readPair(files))
    const pair =
      kept._tag === "Some" && isGood(kept.value, all, nowMillis) ? kept.value : yield* make(files, all, nowMillis)
    return { current: () => pair, onChange: () => {} }
  })

const isGood = ({ cert }: KeyPair, hosts: ReadonlyArray<string>, nowMillis: number): boolean => {
  const { subjectAltName, validTo } = new X509Certificate(cert)
  const names = new Set((subjectAltName ?? "").split(", ").map((name) => name.replace(/^(DNS|IP Address):/, "")))
  return (
    names.size === hosts.length &&
    hosts.every((host) => names.has(host) || names.has(longAddress(host))) &&
    Date.parse(validTo) - nowMillis > Duration.toMillis(renewal)
  )
}

/** As certificates are printed: `0:0:0:0:0:0:0:1`. */
const longAddress = (host: string): string => {
  if (!host.includes(":")) return host
  const [before = "", after] = host.toUpperCase().split("::")
  const groups = (text: string) => text.split(":").filter((group) => group !== "")
  const [head, tail] = [groups(before), groups(after ?? "")]
  return [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0"), ...tail].join(":")
}

const make = (files: CertificateFiles, hosts: ReadonlyArray<string>, nowMillis: number) =>
  Effect.try({
    try: (): KeyPair => {
      const pair = selfSignedCertificate({
        name: "Irori's development certificate",
        hosts,
        fromMillis: nowMillis - 3_600_000,
        untilMillis: nowMillis + Duration.toMillis(validity)
      })
      mkdirSync(join(files.cert, ".."), { recursive: true, mode: 0o700 })
      for (const [path, text] of [
        [files.key, pair.key],
        [files.cert, pair.cert]
      ] as const) {
        writeFileSync(`${path}.new`, text, { mode: 0o600 })
        renameSync(`${path}.new`, path)
      }
      return pair
    },
    catch: (cause) =>
      new CertificateUnusable({ detail: `No certificate can be kept at ${files.cert}: ${String(cause)}` })
  })
