/** Tells whether the files of a code folder are what they were: their names, sizes and times of change. */
import { createHash } from "node:crypto"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"

/** A folder with more files than this is told apart by the first of them; installed packages seldom change alone. */
const maxFiles = 5000

/** Sixteen hexadecimal digits. Of installed packages only what is directly in `node_modules` counts. */
export const codeRevision = (folder: string): string => {
  const hash = createHash("sha256")
  const folders = [""]
  let files = 0
  for (let next = folders.shift(); next !== undefined && files < maxFiles; next = folders.shift()) {
    for (const entry of entriesOf(join(folder, next))) {
      const path = join(next, entry.name)
      const isPackage = next.endsWith("node_modules")
      if (entry.isDirectory() && !isPackage && entry.name !== ".git") folders.push(path)
      const found = statSync(join(folder, path), { throwIfNoEntry: false })
      if (found === undefined) continue
      files++
      // The time of a folder changes with each file that comes or goes, which its own entries tell better.
      const when = found.isDirectory() && !isPackage ? "" : `${found.size} ${found.mtimeMs} ${found.mode}`
      hash.update(`${path}\0${when}\n`)
    }
  }
  return hash.digest("hex").slice(0, 16)
}

const entriesOf = (folder: string) => {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    // Gone, or closed to us: the next look will tell.
    return []
  }
}
