/** Folders with a function's code, removed when the test file is done. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import { CodeFolder } from "../../src/domain/FunctionConfig.ts"

const made: Array<string> = []

afterAll(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true })
})

/** A folder with these files: their text by their path. A file named `bootstrap` is executable. */
export const codeFolder = (files: Readonly<Record<string, string>>): CodeFolder => {
  const path = mkdtempSync(join(tmpdir(), "irori-code-"))
  made.push(path)
  for (const [name, text] of Object.entries(files)) {
    const file = join(path, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    if (name.endsWith("bootstrap")) chmodSync(file, 0o755)
  }
  return new CodeFolder({ path })
}
