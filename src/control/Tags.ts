/** The tags of functions, in the control database. Which of them a caller may set is for who sets them to say. */
import { Context, Effect, Layer } from "effect"
import { ControlDatabase } from "./Database.ts"

export class Tags extends Context.Service<
  Tags,
  {
    /** By key. */
    readonly of: (name: string) => Readonly<Record<string, string>>
    /** Takes the place of values under the same keys; leaves others. Part of a transaction that is open. */
    readonly add: (name: string, tags: Readonly<Record<string, string>>) => void
    /** Keys that there are not are ignored. */
    readonly remove: (name: string, keys: ReadonlyArray<string>) => void
  }
>()("irori/control/Tags") {
  static readonly layer = Layer.effect(
    Tags,
    Effect.gen(function* () {
      const database = yield* ControlDatabase
      yield* database.prepare({
        name: "tags",
        steps: [
          "CREATE TABLE tags (function TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (function, key)) STRICT"
        ]
      })
      return Tags.of({
        of: (name) =>
          Object.fromEntries(
            database
              .all("SELECT key, value FROM tags WHERE function = ? ORDER BY key", name)
              .map(({ key, value }) => [String(key), String(value)])
          ),
        add: (name, tags) =>
          database.transaction(() => {
            for (const [key, value] of Object.entries(tags)) {
              database.run(
                "INSERT INTO tags VALUES (?, ?, ?) ON CONFLICT (function, key) DO UPDATE SET value = excluded.value",
                name,
                key,
                value
              )
            }
          }),
        remove: (name, keys) =>
          database.transaction(() => {
            for (const key of keys) database.run("DELETE FROM tags WHERE function = ? AND key = ?", name, key)
          })
      })
    })
  )
}
