/**
 * The routed path, from a REST API's event to its response, beside Irori's own Invoke API with that same event for that
 * same function: what is between the two is what routing costs.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Bench, inTurns } from "./Bench.ts"
import { burst, compiled, noWrk } from "./load.ts"
import { eventOf } from "./openLoop.ts"
import { startIrori, temporaryFolder, warmUp, workers } from "./Server.ts"

const title = "The routed path, 1 KiB"

const declared = (names: ReadonlyArray<string>) =>
  `functions:\n${names.map((name) => `  ${name}:\n    runtime: nodejs22.x\n    scaling:\n      max_capacity: ${workers}\n`).join("")}`

const files = {
  "functions.yml": declared(["page", "mirror"]),
  "page/index.mjs": "export const handler = async (event) => ({ statusCode: 200, body: event.body })\n",
  "mirror/index.mjs": "export const handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) })\n"
}

const routes = `routes:
  - { path: "/api/pages/{id}", method: POST, function: page }
  - { path: "/api/mirrors/{id}", method: POST, function: mirror }
`

export const routed: Bench = {
  name: "routed",
  title,
  run: async ({ isShort, rounds, seconds }) => {
    if (noWrk !== undefined) return [{ what: title, skipped: noWrk }]
    const folder = temporaryFolder({ ...files, "routing.yml": routes })
    const unrouted = temporaryFolder(files)
    const irori = await startIrori({ folder: folder.path })
    const plain = await startIrori({ folder: unrouted.path })
    try {
      const headers = { "Content-Type": "application/json" }
      const mirrored = await fetch(`${irori.url}/api/mirrors/17`, { method: "POST", headers, body: eventOf(1024) })
      const file = join(unrouted.path, "event.json")
      writeFileSync(file, await mirrored.text())
      const [path, invoke, elsewhere] = [`${irori.url}/api/pages/17`, irori.invokeUrl("page"), plain.invokeUrl("page")]
      await Promise.all([path, invoke, elsewhere].map((url) => warmUp(url)))
      await compiled([path], { isShort })
      await compiled([invoke, elsewhere], { isShort }, { file })
      const rate = async (url: string, event = {}) => (await burst(url, 32, seconds, event)).perSecond
      const measured = await inTurns(rounds, {
        routed: () => rate(path),
        invoked: () => rate(invoke, { file }),
        elsewhere: () => rate(elsewhere, { file })
      })
      const rest = { unit: "/s", digits: 0, ours: measured.routed }
      return [
        {
          what: "requests per second, 32 callers",
          against: "Invoke, same server",
          ...rest,
          theirs: measured.invoked,
          bar: { least: 0.75 }
        },
        {
          what: "requests per second, 32 callers, beside a server without routes",
          against: "Invoke, a server without routes",
          ...rest,
          theirs: measured.elsewhere
        }
      ]
    } finally {
      await Promise.all([irori.stop(), plain.stop()])
      folder.remove()
      unrouted.remove()
    }
  }
}
