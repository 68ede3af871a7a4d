/** Lays folders over each other in a new one, later ones on top, and returns when the disk has it. */
import { chmod, copyFile, lstat, mkdir, open, readdir, readlink, rm, symlink } from "node:fs/promises"
import { join } from "node:path"
import { syncFolder } from "./unpackZip.ts"

/**
 * `target` is made. Modes are kept, and links as they are: they are not followed. What is a folder in one and a file in
 * another is what the later one has.
 */
export const mergeFolders = async (folders: ReadonlyArray<string>, target: string): Promise<void> => {
  await mkdir(target, { mode: 0o755 })
  for (const folder of folders) await lay(folder, target)
}

const lay = async (from: string, onto: string): Promise<void> => {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, goal] = [join(from, entry.name), join(onto, entry.name)]
    if (entry.isDirectory()) {
      if (!(await isFolder(goal))) {
        await rm(goal, { force: true })
        await mkdir(goal, { mode: 0o700 })
      }
      await lay(source, goal)
    } else {
      await rm(goal, { recursive: true, force: true })
      await (entry.isSymbolicLink() ? copyLink(source, goal) : copyWhole(source, goal))
    }
  }
  await chmod(onto, (await lstat(from)).mode & 0o7777)
  await syncFolder(onto)
}

const isFolder = async (path: string): Promise<boolean> => {
  const found = await lstat(path).catch(() => undefined)
  return found?.isDirectory() === true
}

const copyLink = async (source: string, goal: string): Promise<void> => symlink(await readlink(source), goal)

const copyWhole = async (source: string, goal: string): Promise<void> => {
  await copyFile(source, goal)
  const handle = await open(goal, "r")
  try {
    await handle.chmod((await lstat(source)).mode & 0o7777)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
