import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { FunctionStore } from "../../src/control/FunctionStore.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import * as FolderFunctionRegistry from "../../src/registry/FolderFunctionRegistry.ts"
import { FunctionRegistry } from "../../src/registry/FunctionRegistry.ts"
import { versionRecord } from "../support/functionRecords.ts"
import { functionConfig } from "../support/functions.ts"
import { functionServices, storedOptions } from "../support/functionsApp.ts"
import { suite } from "./FunctionRegistryContract.ts"

const inMemory = ["first", "second"].map((name) => functionConfig({ name: FunctionName.make(name) }))

suite("in memory", () => FunctionRegistry.layerMemory(inMemory))

suite("from a folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-registry-"))
  for (const name of ["first", "second"]) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, "index.mjs"), "export const handler = async () => 1\n")
  }
  return FolderFunctionRegistry.layer({ folder, ...storedOptions, environment: {} })
})

const stored = (names: ReadonlyArray<string>, files: typeof inMemory = []) =>
  Layer.effectDiscard(
    Effect.map(FunctionStore, (store) => {
      for (const name of names) store.putVersion(name, versionRecord())
    })
  ).pipe(Layer.provideMerge(functionServices({ files })))

suite("made through the API", () => stored(["second", "first"]))
suite("made through the API, over others", () => stored(["first"], inMemory.slice(1)))
suite("of others beneath the API's", () => stored([], inMemory))
