import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { mergeFolders } from "../../src/control/mergeFolders.ts"

let scratch = ""
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "irori-merge-"))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

interface File {
  readonly text?: string
  readonly mode?: number
  readonly link?: string
}

/** A folder of this name with these files in it. */
const folder = (name: string, files: Readonly<Record<string, File>>) => {
  const root = join(scratch, name)
  for (const [path, { link, mode = 0o644, text = "" }] of Object.entries(files)) {
    const whole = join(root, path)
    mkdirSync(dirname(whole), { recursive: true })
    if (link === undefined) writeFileSync(whole, text, { mode })
    else symlinkSync(link, whole)
  }
  return root
}

const merged = async (...folders: ReadonlyArray<string>) => {
  const target = join(scratch, "merged")
  await mergeFolders(folders, target)
  return (path: string) => join(target, path)
}

describe("mergeFolders", () => {
  it("has the contents of all, and of what is in several that of the last", async () => {
    const at = await merged(
      folder("a", { "lib/one": { text: "a" }, "lib/both": { text: "a" } }),
      folder("b", { "lib/both": { text: "b" }, two: { text: "b" } })
    )
    expect(["lib/one", "lib/both", "two"].map((path) => readFileSync(at(path), "utf8"))).toEqual(["a", "b", "b"])
  })

  it("keeps modes, those of the last", async () => {
    const at = await merged(
      folder("a", { "bin/run": { mode: 0o755 }, "bin/both": { mode: 0o755 } }),
      folder("b", { "bin/both": { mode: 0o600 } })
    )
    expect(["bin/run", "bin/both"].map((path) => lstatSync(at(path)).mode & 0o777)).toEqual([0o755, 0o600])
  })

  it("lays a folder over a file, and a file over a folder", async () => {
    const at = await merged(
      folder("a", { x: { text: "file" }, "y/deep": { text: "in it" } }),
      folder("b", { "x/deep": { text: "in it" }, y: { text: "file" } })
    )
    expect(readFileSync(at("x/deep"), "utf8")).toBe("in it")
    expect(readFileSync(at("y"), "utf8")).toBe("file")
  })

  it("copies links as they are, and writes through none", async () => {
    const outside = folder("outside", { victim: { text: "safe" } })
    const at = await merged(
      folder("a", { lib: { link: outside }, file: { link: join(outside, "victim") } }),
      folder("b", { "lib/victim": { text: "mine" }, file: { text: "mine" }, again: { link: "file" } })
    )
    expect(readFileSync(join(outside, "victim"), "utf8")).toBe("safe")
    expect(readFileSync(at("lib/victim"), "utf8")).toBe("mine")
    expect(readFileSync(at("file"), "utf8")).toBe("mine")
    expect(readlinkSync(at("again"))).toBe("file")
  })

  it("leaves those alone that it was made of", async () => {
    const first = folder("a", { x: { text: "a" } })
    const at = await merged(first, folder("b", { x: { text: "b" } }))
    writeFileSync(at("x"), "changed")
    expect(readFileSync(join(first, "x"), "utf8")).toBe("a")
  })
})
