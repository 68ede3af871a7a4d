/** Packages for functions and layers, made in memory. */
import { ZipFile } from "yazl"

export interface ZipContent {
  readonly text: string | Buffer
  /** With the kind of file in it where that is none of the usual. */
  readonly mode?: number
}

const time = new Date("2026-01-01T00:00:00Z")

/** `files` by their paths; a path with `/` at its end is a folder. The same files always make the same bytes. */
export const zip = async (files: Readonly<Record<string, string | ZipContent>>): Promise<Buffer> => {
  const made = new ZipFile()
  for (const [path, content] of Object.entries(files)) {
    const { mode = 0o100644, text } = typeof content === "string" ? { text: content } : content
    if (path.endsWith("/")) made.addEmptyDirectory(path, { mtime: time, ...(mode === 0o100644 ? {} : { mode }) })
    else made.addBuffer(Buffer.from(text), path, { mtime: time, mode })
  }
  made.end()
  const chunks: Array<Buffer> = []
  for await (const chunk of made.outputStream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}

/** `zipped` with one name in the place of another of the same length, in both of its headers. */
export const renamed = (zipped: Buffer, from: string, to: string): Buffer => {
  const copy = Buffer.from(zipped)
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) copy.write(to, at)
  return copy
}
