/** The engine of this machine as tests see it: asked directly, past everything that is under test. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { Effect } from "effect"

export const dockerSocket = "/var/run/docker.sock"

/** One request to the engine's API. */
export const engine = (
  method: string,
  path: string,
  body?: string | Uint8Array<ArrayBuffer>,
  contentType = "application/json"
) =>
  fetch(`http://localhost${path}`, {
    method,
    unix: dockerSocket,
    ...(body === undefined ? {} : { body, headers: { "content-type": contentType } })
  })

/** Why the tests that need an engine cannot run here; undefined when they can. */
export const noDocker: string | undefined = await (async () => {
  if (!existsSync(dockerSocket)) return `there is no Docker engine (${dockerSocket} is not there)`
  try {
    const answer = await engine("GET", "/_ping")
    return answer.ok ? undefined : `the Docker engine answers ${answer.status}`
  } catch (error) {
    return `the Docker engine cannot be reached: ${error instanceof Error ? error.message : error}`
  }
})()

export const hasProgram = (name: string): boolean => spawnSync("which", [name]).status === 0

export interface Summary {
  readonly Id: string
  readonly Names: ReadonlyArray<string>
  readonly State: string
  readonly Labels: Readonly<Record<string, string>>
}

/** Every container with that label, whatever its state. */
export const containersWith = (label: string): Effect.Effect<ReadonlyArray<Summary>> =>
  Effect.promise(async () => {
    const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
    const answer = await engine("GET", `/containers/json?all=1&filters=${filters}`)
    return (await answer.json()) as ReadonlyArray<Summary>
  })

export const namesWith = (label: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(containersWith(label), (found) => found.map(({ Names }) => Names[0]!.slice(1)).toSorted())

/** Makes a container that belongs to nobody under test, and does not start it. */
export const makeContainer = (name: string, image: string, labels: Readonly<Record<string, string>>) =>
  Effect.promise(async () => {
    const answer = await engine(
      "POST",
      `/containers/create?name=${name}`,
      JSON.stringify({ Image: image, Labels: labels })
    )
    if (!answer.ok) throw new Error(await answer.text())
  })

export const removeContainer = (name: string) =>
  Effect.promise(() => engine("DELETE", `/containers/${name}?force=1&v=1`).then((answer) => answer.text()))
