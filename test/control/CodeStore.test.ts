import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { afterAll, describe } from "vitest"
import { CodeStore } from "../../src/control/CodeStore.ts"
import { renamed, zip } from "../support/zip.ts"

const scratch = mkdtempSync(join(tmpdir(), "irori-code-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** A store in a folder of its own. */
const withStore = <A, E>(use: (store: CodeStore["Service"], folder: string) => Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    const folder = mkdtempSync(join(scratch, "store-"))
    return CodeStore.use((store) => use(store, folder)).pipe(Effect.provide(CodeStore.layer(folder)))
  })

const handler = { "index.mjs": "export const handler = async () => 1\n" }

describe("CodeStore", () => {
  it.effect("keeps a package unpacked and as it came, by its hash", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => zip({ ...handler, "lib/deep/a.txt": "a" }))
        const stored = yield* store.store(bytes)
        expect(stored.sha256).toBe(createHash("sha256").update(bytes).digest("hex"))
        expect(stored).toMatchObject({ sizeBytes: bytes.length, unzippedBytes: 38 })
        expect(readFileSync(join(store.folderOf(stored.sha256), "lib/deep/a.txt"), "utf8")).toBe("a")
        expect(readFileSync(store.zipOf(stored.sha256)).equals(bytes)).toBe(true)
      })
    )
  )

  it.effect("gives files the modes that they have in the ZIP", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() =>
          zip({
            bootstrap: { text: "#!/bin/sh\n", mode: 0o100755 },
            secret: { text: "x", mode: 0o100600 },
            shared: { text: "x", mode: 0o100666 },
            odd: { text: "x", mode: 0o104755 },
            "folder/": { text: "", mode: 0o040500 }
          })
        )
        const { sha256 } = yield* store.store(bytes)
        const modeOf = (name: string) => statSync(join(store.folderOf(sha256), name)).mode & 0o7777
        expect(["bootstrap", "secret", "shared", "odd", "folder"].map(modeOf)).toEqual([
          0o755, 0o600, 0o666, 0o755, 0o700
        ])
      })
    )
  )

  it.effect("follows links inside a package", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() =>
          zip({ "lib/real.txt": "real", "bin/link": { text: "../lib/real.txt", mode: 0o120777 } })
        )
        const { sha256 } = yield* store.store(bytes)
        expect(readFileSync(join(store.folderOf(sha256), "bin/link"), "utf8")).toBe("real")
      })
    )
  )

  const link = (target: string) => ({ text: target, mode: 0o120777 })
  const one = () => zip({ "aa/bb.mjs": "1", "x.txt": "2" })
  it.each<readonly [string, () => Promise<Buffer>]>([
    ["is no ZIP", async () => Buffer.from("not a zip")],
    ["ends too early", async () => (await zip(handler)).subarray(0, -30)],
    ["leads above its folder", async () => renamed(await one(), "aa/bb.mjs", "../bb.mjs")],
    ["leads above its folder on the way", async () => renamed(await one(), "aa/bb.mjs", "a/../../b")],
    ["has an absolute name", async () => renamed(await one(), "aa/bb.mjs", "/a/bb.mjs")],
    ["has a drive's name", async () => renamed(await one(), "aa/bb.mjs", "C:/bb.mjs")],
    ["has a backslash in a name", async () => renamed(await one(), "aa/bb.mjs", "..\\bb.mjs")],
    ["has a NUL in a name", async () => renamed(await one(), "aa/bb.mjs", "aa/b\0.mjs")],
    ["has a name twice", async () => renamed(await zip({ "a.txt": "1", "b.txt": "2" }), "b.txt", "a.txt")],
    [
      "has something beneath a file",
      async () => renamed(await zip({ "a.txt": "1", "b.txt/c": "2" }), "b.txt", "a.txt")
    ],
    ["has a link out of its folder", () => zip({ ...handler, link: link("../other") })],
    ["has an absolute link", () => zip({ ...handler, link: link("/etc/passwd") })],
    ["has links that lead out together", () => zip({ ...handler, "d/up": link(".."), out: link("d/up/..") })],
    ["has links in a circle", () => zip({ ...handler, a: link("b"), b: link("a/c") })],
    [
      "has something beneath a link",
      async () => {
        const zipped = await zip({ ...handler, "l.txt": link("d"), "m.txt/f": "x", "d/": "" })
        return renamed(zipped, "m.txt", "l.txt")
      }
    ],
    ["has a device in it", () => zip({ ...handler, device: { text: "", mode: 0o020644 } })],
    [
      "has an encrypted file",
      async () => {
        const zipped = await zip(handler)
        const directory = zipped.indexOf("PK\x01\x02")
        zipped.writeUInt16LE(zipped.readUInt16LE(directory + 8) | 1, directory + 8)
        return zipped
      }
    ],
    [
      "has broken contents",
      async () => {
        const zipped = await zip({ "index.mjs": "a".repeat(5000) })
        zipped.fill(0xff, 45, 50)
        return zipped
      }
    ]
  ])("refuses one that %s, and keeps nothing of it", (_, made) =>
    withStore((store, folder) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(made)
        expect(yield* Effect.flip(store.store(bytes))).toMatchObject({
          _tag: "InvalidParameterValue",
          message: "Could not unzip uploaded file. Please check your file, then try to upload again."
        })
        expect(readdirSync(folder)).toEqual([])
      })
    ).pipe(Effect.runPromise)
  )

  it.effect("refuses one with nothing in it", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => zip({}))
        expect((yield* Effect.flip(store.store(bytes))).message).toBe("Uploaded file must be a non-empty zip")
      })
    )
  )

  it.effect("refuses what is over 50 MB before it looks into it", () =>
    withStore((store) =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(store.store(new Uint8Array(52_428_801)))).toMatchObject({
          _tag: "RequestTooLarge",
          message: "Zipped size must be smaller than 52428800 bytes"
        })
      })
    )
  )

  const tooLarge = { message: "Unzipped size must be smaller than 262144000 bytes" }

  it.effect("refuses what says that it is over 250 MB", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => zip(handler))
        bytes.writeUInt32LE(262_144_001, bytes.indexOf("PK\x01\x02") + 24)
        expect(yield* Effect.flip(store.store(bytes))).toMatchObject(tooLarge)
      })
    )
  )

  it.effect.each([0, 1000, 10_000_000])("refuses what is larger than the %d bytes that it says", (said) =>
    withStore((store, folder) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => zip({ bomb: "\0".repeat(50_000_000) }))
        bytes.writeUInt32LE(said, bytes.indexOf("PK\x01\x02") + 24)
        expect((yield* Effect.flip(store.store(bytes))).message).toMatch("Could not unzip uploaded file")
        expect(readdirSync(folder)).toEqual([])
      })
    )
  )

  it.effect("refuses what is smaller than it says", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => zip(handler))
        bytes.writeUInt32LE(1000, bytes.indexOf("PK\x01\x02") + 24)
        expect((yield* Effect.flip(store.store(bytes))).message).toMatch("Could not unzip uploaded file")
      })
    )
  )

  it.effect("keeps the same package once, also when it comes twice at once", () =>
    withStore((store, folder) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => zip(handler))
        const stored = yield* Effect.all([store.store(bytes), store.store(bytes)], { concurrency: "unbounded" })
        expect(stored[0]).toEqual(stored[1])
        expect(readdirSync(folder).sort()).toEqual([stored[0].sha256, `${stored[0].sha256}.zip`])
        expect(yield* store.store(bytes)).toEqual(stored[0])
      })
    )
  )

  it.effect("removes what nobody has needed for 15 minutes, not a moment earlier", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const { sha256 } = yield* store.store(yield* Effect.promise(() => zip(handler)))
        yield* store.collect
        yield* TestClock.setTime(15 * 60_000 - 1)
        yield* store.collect
        expect(existsSync(store.folderOf(sha256))).toBe(true)
        yield* TestClock.setTime(15 * 60_000)
        yield* store.collect
        expect(existsSync(store.folderOf(sha256))).toBe(false)
        expect(existsSync(store.zipOf(sha256))).toBe(false)
      })
    )
  )

  it.effect("keeps what somebody needs, and begins to count when nobody does", () =>
    withStore((store) =>
      Effect.gen(function* () {
        const bytes = yield* Effect.promise(() => zip(handler))
        const { sha256 } = yield* store.store(bytes)
        let needed = [sha256]
        yield* store.keep(() => needed)
        yield* TestClock.setTime(60 * 60_000)
        yield* store.collect
        expect(existsSync(store.folderOf(sha256))).toBe(true)
        needed = []
        yield* store.collect
        yield* TestClock.setTime(75 * 60_000 - 1)
        // Stored once more: whoever did has time again.
        yield* store.store(bytes)
        yield* TestClock.setTime(80 * 60_000)
        yield* store.collect
        expect(existsSync(store.folderOf(sha256))).toBe(true)
      })
    )
  )

  it.effect("removes at its start what a process that was killed has left half done", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(scratch, "store-"))
      mkdirSync(join(folder, "tmp-1/code"), { recursive: true })
      writeFileSync(join(folder, "tmp-1/code/half"), "")
      yield* CodeStore.use(() => Effect.void).pipe(Effect.provide(CodeStore.layer(folder)))
      expect(readdirSync(folder)).toEqual([])
    })
  )
})
