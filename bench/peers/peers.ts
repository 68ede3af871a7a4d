/** The same function and the same load, through what somebody might use in place of Irori. */
import type { Bench, Row, Skipped } from "../Bench.ts"
import { noWrk } from "../load.ts"
import { startIrori, warmUp } from "../Server.ts"
import { bursts } from "../warm.ts"
import type { Peer } from "./Peer.ts"
import { serverlessOffline } from "./serverlessOffline.ts"

const absent = (name: string, skipped: string): Peer => ({ name, start: async () => ({ skipped }) })

const all: ReadonlyArray<Peer> = [
  serverlessOffline,
  absent(
    "AWS SAM CLI, local start-lambda",
    "it builds its containers from images of public.ecr.aws: no package registry"
  ),
  absent(
    "moto 5.2.5, server mode",
    "it runs functions in images that it pulls from Docker Hub: without them it answers 200 with the engine's error"
  ),
  absent(
    "AWS's emulator (RIE), called directly",
    "its binary is in no package registry, nor is its Go module in the proxy"
  )
]

const title = "What one might use instead, 1 KiB, 32 callers"

export const peers: Bench = {
  name: "peers",
  title,
  run: async (scale) => {
    if (noWrk !== undefined) return [{ what: title, skipped: noWrk }]
    const irori = await startIrori()
    const rows: Array<Row | Skipped> = []
    try {
      for (const { name, start } of all) {
        const peer = await start()
        if ("skipped" in peer) {
          rows.push({ what: `beside ${name}`, skipped: peer.skipped })
          continue
        }
        try {
          const urls = { ours: irori.invokeUrl("echo"), theirs: peer.url }
          await Promise.all(Object.values(urls).map((url) => warmUp(url)))
          const { ours, theirs } = await bursts(urls, 32, scale)
          rows.push({
            what: `invocations per second, beside ${name}`,
            against: name,
            unit: "/s",
            digits: 0,
            ours: ours.map(({ perSecond }) => perSecond),
            theirs: theirs.map(({ perSecond }) => perSecond),
            bar: { least: 5 }
          })
        } finally {
          await peer.stop()
        }
      }
      return rows
    } finally {
      await irori.stop()
    }
  }
}
