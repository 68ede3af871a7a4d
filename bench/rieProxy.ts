/**
 * What the RIE transport is measured against: the least that stands between a caller and emulators, `Bun.serve` and
 * `fetch`, each emulator with one event at a time. Arguments: the emulators' URLs. Prints its port.
 */
import process from "node:process"

const idle = process.argv.slice(2)
const waiting: Array<(url: string) => void> = []

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const url = idle.pop() ?? (await new Promise<string>((lend) => waiting.push(lend)))
    try {
      const answer = await fetch(url, { method: "POST", body: await request.arrayBuffer() })
      return new Response(await answer.arrayBuffer(), { headers: { "Content-Type": "application/json" } })
    } finally {
      const next = waiting.shift()
      if (next === undefined) idle.push(url)
      else next(url)
    }
  }
})
console.log(server.port)
process.on("SIGTERM", () => process.exit(0))
