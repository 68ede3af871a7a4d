/**
 * The RIE transport beside a bare proxy to the very same workers: containers with the emulator's protocol, which Irori
 * started and both post to, in turns.
 */
import { engine, noDocker } from "../test/support/docker.ts"
import { workerImage } from "../test/support/images.ts"
import { type Bench, inTurns } from "./Bench.ts"
import { burst, compiled, noWrk } from "./load.ts"
import { type Server, startIrori, startProgram, temporaryFolder, warmUp } from "./Server.ts"

const title = "The RIE transport, 1 KiB"

/** Addresses of the containers that run `image`. */
const addressesOf = async (image: string): Promise<ReadonlyArray<string>> => {
  const filters = encodeURIComponent(JSON.stringify({ ancestor: [image] }))
  const answer = await engine("GET", `/containers/json?filters=${filters}`)
  const containers = (await answer.json()) as ReadonlyArray<{
    readonly Labels: Readonly<Record<string, string>>
    readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> }
  }>
  return containers
    .filter(({ Labels }) => Labels["irori.function"] === functionName)
    .map(({ NetworkSettings }) => Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? "")
}

/** Of this run alone, so that no other's containers are taken for these. */
const functionName = `bench-rie-${process.pid}`
const path = "/2015-03-31/functions/function/invocations"

export const rie: Bench = {
  name: "rie",
  title,
  run: async (scale) => {
    if (noWrk !== undefined) return [{ what: title, skipped: noWrk }]
    if (noDocker !== undefined) return [{ what: title, skipped: noDocker }]
    const image = await workerImage()
    if ("missing" in image) return [{ what: title, skipped: image.missing }]
    const callers = scale.isShort ? 2 : 32
    const folder = temporaryFolder({
      "functions.yml":
        `functions:\n  ${functionName}:\n    image: ${image.name}\n    transport: rie\n` +
        `    scaling:\n      max_capacity: ${callers}\n      min_capacity: ${callers}\n`
    })
    const irori = await startIrori({ folder: folder.path, environment: { IRORI_PROVISIONER: "docker" } })
    let proxy: { readonly emulators: ReadonlyArray<string>; readonly server: Server } | undefined
    try {
      const url = irori.invokeUrl(functionName)
      const hasStarted = async () => (await addressesOf(image.name)).length === callers
      await warmUp(url, "{}", callers, 5)
      while (!(await hasStarted())) await new Promise((next) => setTimeout(next, 200))
      await compiled([url], scale)
      const measured = await inTurns(scale.rounds, {
        ours: async () => {
          await warmUp(url, "{}", callers, 20)
          return (await burst(url, callers, scale.seconds)).perSecond
        },
        theirs: async () => {
          // A worker whose caller left with the end of a burst has a second to finish; one that has not is removed.
          await new Promise((next) => setTimeout(next, 2000))
          const emulators = (await addressesOf(image.name)).map((address) => `http://${address}:8080${path}`).toSorted()
          if (proxy === undefined || proxy.emulators.join() !== emulators.join()) {
            await proxy?.server.stop()
            proxy = { emulators, server: await startProgram("rieProxy.ts", emulators) }
            await compiled([proxy.server.url], scale)
          }
          await warmUp(proxy.server.url, "{}", callers, 20)
          return (await burst(proxy.server.url, callers, scale.seconds)).perSecond
        }
      })
      return [
        {
          what: `invocations per second, ${callers} callers`,
          against: "Bun.serve + fetch",
          unit: "/s",
          digits: 0,
          ...measured,
          bar: { least: 1.05 },
          note: `the same containers, up to ${callers}`
        }
      ]
    } finally {
      await proxy?.server.stop()
      await irori.stop()
      folder.remove()
    }
  }
}
