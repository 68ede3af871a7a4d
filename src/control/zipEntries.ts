/**
 * What a ZIP says it has in it, checked before any of it is written: how much, how many, and that every name stays inside
 * the folder it is unpacked to. Writing is `unpackZip`'s.
 */
import { posix } from "node:path"
import type { Entry, ZipFile } from "yauzl"

export interface ZipLimits {
  readonly maxEntries: number
  /** Of all files together, unzipped. */
  readonly maxUnzippedBytes: number
}

/** Why a ZIP is not taken. */
export class ZipRefused extends Error {
  readonly reason: "Malformed" | "Empty" | "TooLarge"
  constructor(reason: ZipRefused["reason"], detail: string) {
    super(detail)
    this.reason = reason
  }
}

export interface ZipItem {
  /** Relative, with `/` between its parts and none at its end. */
  readonly path: string
  readonly kind: "file" | "folder" | "link"
  /** The permissions; those that are usual where the ZIP says none. */
  readonly mode: number
  readonly entry: Entry
}

export interface ZipDirectory {
  readonly zip: ZipFile
  /** All of it. */
  readonly bytes: Buffer
  readonly items: ReadonlyArray<ZipItem>
  readonly unzippedBytes: number
}

/** Rejects with `ZipRefused`. */
export const readZipDirectory = async (bytes: Uint8Array, limits: ZipLimits): Promise<ZipDirectory> => {
  // Not in memory where no package comes.
  const { fromBufferPromise } = await import("yauzl")
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const zip = await malformedIfFails(fromBufferPromise(whole, { strictFileNames: true }))
  if (zip.entryCount === 0) throw new ZipRefused("Empty", "there is nothing in it")
  if (zip.entryCount > limits.maxEntries) throw new ZipRefused("TooLarge", `${zip.entryCount} entries`)
  const items: Array<ZipItem> = []
  const entries = zip.eachEntry()
  let unzippedBytes = 0
  for (;;) {
    const next = await malformedIfFails(entries.next())
    if (next.done === true) break
    unzippedBytes += next.value.uncompressedSize
    if (unzippedBytes > limits.maxUnzippedBytes) throw new ZipRefused("TooLarge", `${unzippedBytes} bytes or more`)
    items.push(itemOf(next.value))
  }
  refuseCollisions(items)
  return { zip, bytes: whole, items, unzippedBytes }
}

/** Rejects where following `links`, by path, from one of them leads outside. */
export const refuseEscapes = (links: ReadonlyMap<string, string>): void => {
  for (const [path, target] of links) {
    if (target === "" || posix.isAbsolute(target) || target.includes("\\") || target.includes("\0")) {
      throw new ZipRefused("Malformed", `the link ${path} leads to ${target}`)
    }
    if (follow(posix.dirname(path), target, links, 0) === undefined) {
      throw new ZipRefused("Malformed", `the link ${path} leads outside`)
    }
  }
}

/** Where `target` leads from `folder`, links on the way followed; undefined where that is outside, or a circle. */
const follow = (
  folder: string,
  target: string,
  links: ReadonlyMap<string, string>,
  depth: number
): string | undefined => {
  if (depth > 40) return undefined
  let at = folder === "." ? "" : folder
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue
    if (part === "..") {
      if (at === "") return undefined
      at = posix.dirname(at)
      if (at === ".") at = ""
      continue
    }
    const next = at === "" ? part : `${at}/${part}`
    const link = links.get(next)
    const arrived = link === undefined ? next : follow(at, link, links, depth + 1)
    if (arrived === undefined) return undefined
    at = arrived
  }
  return at
}

export const malformedIfFails = async <A>(reading: Promise<A>): Promise<A> => {
  try {
    return await reading
  } catch (cause) {
    throw new ZipRefused("Malformed", cause instanceof Error ? cause.message : String(cause))
  }
}

/** Systems whose ZIPs have modes: Unix and macOS. */
const withModes = new Set([3, 19])
const kinds: ReadonlyMap<number, ZipItem["kind"]> = new Map([
  [0o040000, "folder"],
  [0o100000, "file"],
  [0o120000, "link"]
])

const itemOf = (entry: Entry): ZipItem => {
  const isFolder = entry.fileName.endsWith("/")
  const path = isFolder ? entry.fileName.slice(0, -1) : entry.fileName
  if (entry.fileName.includes("\0") || path.split("/").some((part) => part === "" || part === "." || part === "..")) {
    throw new ZipRefused("Malformed", `the name ${JSON.stringify(entry.fileName)}`)
  }
  if (entry.isEncrypted()) throw new ZipRefused("Malformed", `${path} is encrypted`)
  const attributes = withModes.has(entry.versionMadeBy >> 8) ? entry.externalFileAttributes >>> 16 : 0
  const format = attributes & 0o170000
  const kind = isFolder ? "folder" : format === 0 ? "file" : kinds.get(format)
  if (kind === undefined || (kind === "folder") !== isFolder) {
    throw new ZipRefused("Malformed", `${path} is neither a file, a folder nor a link`)
  }
  const mode = attributes & 0o777
  return { path, kind, mode: mode !== 0 ? mode : isFolder ? 0o755 : 0o644, entry }
}

/** Nothing is in a ZIP twice, and nothing is beneath what is no folder. */
const refuseCollisions = (items: ReadonlyArray<ZipItem>): void => {
  const paths = new Map<string, ZipItem["kind"]>()
  for (const { kind, path } of items) {
    if (paths.has(path)) throw new ZipRefused("Malformed", `${path} is in it twice`)
    paths.set(path, kind)
  }
  for (const { path } of items) {
    for (let above = posix.dirname(path); above !== "."; above = posix.dirname(above)) {
      if ((paths.get(above) ?? "folder") !== "folder") throw new ZipRefused("Malformed", `${above} is no folder`)
    }
  }
}
