import { chmodSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { extensionLine, extensionsIn } from "../../src/provision/externalExtensions.ts"
import { codeFolder } from "../support/codeFolder.ts"

describe("extensionsIn", () => {
  it("names the executable files directly in `extensions`, in order", () => {
    const { path } = codeFolder({
      "extensions/second": "",
      "extensions/first": "",
      "extensions/notes.txt": "",
      "extensions/folder/inside": "",
      "bin/other": ""
    })
    for (const name of ["second", "first", "folder/inside"]) chmodSync(join(path, "extensions", name), 0o755)
    expect(extensionsIn(path)).toEqual(["first", "second"])
  })

  it("names none where there are no layers, or none in them", () => {
    expect(extensionsIn(undefined)).toEqual([])
    expect(extensionsIn(codeFolder({ "nodejs/a.js": "" }).path)).toEqual([])
  })
})

describe("extensionLine", () => {
  it("tells an extension's lines from those of the runtime", () => {
    expect(extensionLine("\x1ewatcher\ta\ttabbed line")).toEqual({ name: "watcher", text: "a\ttabbed line" })
    expect(extensionLine("\x1ewatcher\t\x1e137")).toEqual({ name: "watcher", exitCode: 137 })
    for (const line of ["a line", "watcher\tline", "\x1e", "\x1e\tline", "\x1eno tab"]) {
      expect(extensionLine(line)).toBeUndefined()
    }
  })
})
