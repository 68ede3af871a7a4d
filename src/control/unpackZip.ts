/** Writes what is in a ZIP into an empty folder, and returns when the disk has it. What may be in one is checked first. */
import { mkdir, open, symlink } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { inflateRaw } from "node:zlib"
import {
  malformedIfFails,
  readZipDirectory,
  refuseEscapes,
  type ZipDirectory,
  type ZipItem,
  type ZipLimits,
  ZipRefused
} from "./zipEntries.ts"

/** Files that are written at once: most of the time goes by waiting for the disk. */
const concurrency = 16
/** Up to this, packed and unpacked, a file is read in one piece. */
const wholeBytes = 4 * 1024 * 1024
/** A link is a path. */
const maxLinkBytes = 4096

export interface Unpacked {
  readonly unzippedBytes: number
}

/** `folder` is made. Rejects with `ZipRefused`, and then leaves in it what was written so far. */
export const unpackZip = async (bytes: Uint8Array, folder: string, limits: ZipLimits): Promise<Unpacked> => {
  const directory = await readZipDirectory(bytes, limits)
  const meter = new Meter(limits.maxUnzippedBytes)
  const links = await readLinks(directory, meter)
  refuseEscapes(links)
  const folders = await makeFolders(folder, directory.items)
  const files = directory.items.filter(({ kind }) => kind === "file")
  const take = () => files.pop()
  const writers = Array.from({ length: concurrency }, () => writeFiles(folder, directory, take, meter))
  // All have ended before the first failure is told: whoever removes the folder then has it alone.
  await Promise.all(writers.map((writer) => writer.catch(() => void files.splice(0))))
  await Promise.all(writers)
  // Last, so that nothing is written through one.
  for (const [path, target] of links) await malformedIfNamed(symlink(target, join(folder, path)))
  for (const path of folders) await syncFolder(path)
  return { unzippedBytes: directory.unzippedBytes }
}

/** Makes the names in a folder last. */
export const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Counts what really comes out, whatever the headers said. */
class Meter {
  #left: number
  constructor(maxBytes: number) {
    this.#left = maxBytes
  }
  count(bytes: number): void {
    this.#left -= bytes
    if (this.#left < 0) throw new ZipRefused("TooLarge", "more comes out than was said")
  }
}

const contentOf = async function* (directory: ZipDirectory, item: ZipItem, meter: Meter) {
  if (item.entry.compressedSize <= wholeBytes && item.entry.uncompressedSize <= wholeBytes) {
    const whole = await malformedIfFails(readWhole(directory, item))
    meter.count(whole.length)
    yield whole
    return
  }
  const stream = await malformedIfFails(directory.zip.openReadStreamPromise(item.entry))
  const chunks = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next: IteratorResult<Uint8Array> = await malformedIfFails(chunks.next())
      if (next.done === true) return
      meter.count(next.value.length)
      yield next.value
    }
  } finally {
    stream.destroy()
  }
}

/** Most files are small, and a stream for each would take several times as long. */
const readWhole = async ({ bytes, zip }: ZipDirectory, { entry, path }: ZipItem): Promise<Uint8Array> => {
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
  const packed = bytes.subarray(fileDataStart, fileDataStart + entry.compressedSize)
  const isPlain = entry.compressionMethod === 0
  if (packed.length < entry.compressedSize || !(isPlain || entry.compressionMethod === 8)) {
    throw new Error(`${path} cannot be read`)
  }
  // Stops where more comes out than was said; of nothing, at the first byte.
  const whole = isPlain ? packed : await inflate(packed, { maxOutputLength: Math.max(1, entry.uncompressedSize) })
  if (whole.length !== entry.uncompressedSize) throw new Error(`${path} is not as long as was said`)
  return whole
}

const inflate = promisify<Uint8Array, { readonly maxOutputLength: number }, Uint8Array>(inflateRaw)

const readLinks = async (directory: ZipDirectory, meter: Meter): Promise<ReadonlyMap<string, string>> => {
  const links = new Map<string, string>()
  for (const item of directory.items) {
    if (item.kind !== "link") continue
    if (item.entry.uncompressedSize > maxLinkBytes) throw new ZipRefused("Malformed", `${item.path} is no link`)
    const chunks: Array<Uint8Array> = []
    for await (const chunk of contentOf(directory, item, meter)) chunks.push(chunk)
    links.set(item.path, Buffer.concat(chunks).toString())
  }
  return links
}

/** Those that the ZIP names, and those above its files that it does not; the innermost last. */
const makeFolders = async (folder: string, items: ReadonlyArray<ZipItem>): Promise<ReadonlyArray<string>> => {
  const modes = new Map<string, number>([[".", 0o755]])
  for (const { kind, mode, path } of items) {
    const named = kind === "folder" ? path : dirname(path)
    for (let at = named; at !== "."; at = dirname(at)) if (!modes.has(at)) modes.set(at, 0o755)
    // Whoever keeps the folder must be able to look into it, and to remove it.
    if (kind === "folder") modes.set(path, mode | 0o700)
  }
  const paths = [...modes].sort(([a], [b]) => (a === "." ? -1 : b === "." ? 1 : a < b ? -1 : 1))
  for (const [path, mode] of paths) {
    const whole = join(folder, path)
    await malformedIfNamed(mkdir(whole))
    // What the process masks, the ZIP may give.
    const handle = await open(whole, "r")
    await handle.chmod(mode).finally(() => handle.close())
  }
  return paths.map(([path]) => join(folder, path))
}

const writeFiles = async (
  folder: string,
  directory: ZipDirectory,
  take: () => ZipItem | undefined,
  meter: Meter
): Promise<void> => {
  for (let item = take(); item !== undefined; item = take()) {
    // `wx`: where the file system takes two names for one, the second is refused.
    const handle = await malformedIfNamed(open(join(folder, item.path), "wx", 0o600))
    try {
      for await (const chunk of contentOf(directory, item, meter)) await writeWhole(handle, chunk)
      await handle.chmod(item.mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

/** Codes of a file system that does not take a name, as opposed to one that is full or broken. */
const nameRefusals = new Set(["EEXIST", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "EINVAL", "EILSEQ"])

const malformedIfNamed = async <A>(making: Promise<A>): Promise<A> => {
  try {
    return await making
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && nameRefusals.has(String(cause.code)))) throw cause
    throw new ZipRefused("Malformed", cause.message)
  }
}

const writeWhole = async (
  handle: { readonly write: (chunk: Uint8Array, offset: number) => Promise<{ readonly bytesWritten: number }> },
  chunk: Uint8Array
): Promise<void> => {
  for (let written = 0; written < chunk.length; ) {
    written += (await handle.write(chunk, written)).bytesWritten
  }
}
