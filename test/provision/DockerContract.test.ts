/** The contract's suite over Docker, with a base image that is put together like AWS's. */
import { Duration, Effect } from "effect"
import { afterAll } from "vitest"
import { engine, namesWith } from "../support/docker.ts"
import { codeFolder, dockerLayer, labelOf, newInstance, nodeFunction } from "../support/dockerSubjects.ts"
import { nodeBaseImage } from "../support/images.ts"
import { type Subject, suite } from "./ProvisionerContract.ts"

const handlers = {
  "echo.mjs": "export const handler = async (event) => event\n",
  "busy.mjs": `
    setInterval(() => { for (const end = Date.now() + 5; Date.now() < end; ); }, 10)
    export const handler = async (event) => event`,
  "exits.mjs": "export const handler = async () => process.exit(7)\n",
  "broken.mjs": `
    const document = JSON.stringify({ errorType: "Runtime.Broken", errorMessage: "broken" })
    const url = \`http://\${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/init/error\`
    await fetch(url, { method: "POST", body: document, headers: { "Lambda-Runtime-Function-Error-Type": "Runtime.Broken" } })
    process.exit(1)
  `,
  "leaves.mjs": "process.exit(4)\n",
  "stuck.mjs": "setInterval(() => {}, 1000); await new Promise(() => {})\n"
}

const image = await nodeBaseImage()
const code = codeFolder(handlers)
afterAll(code.remove)

const subject = (baseImage: string): Subject => {
  const instance = newInstance()
  return {
    layer: () =>
      dockerLayer(instance, {
        baseImages: new Map([["nodejs22.x", baseImage]]),
        initTimeout: Duration.seconds(3)
      }),
    echo: nodeFunction(code.path, "echo.handler"),
    exitsWhenCalled: nodeFunction(code.path, "exits.handler"),
    initError: nodeFunction(code.path, "broken.handler"),
    initExit: nodeFunction(code.path, "leaves.handler"),
    stuck: nodeFunction(code.path, "stuck.handler"),
    remains: namesWith(labelOf(instance)),
    busy: nodeFunction(code.path, "busy.handler"),
    pidOf: ({ id }) =>
      Effect.promise(async () => {
        const { State } = (await (await engine("GET", `/containers/${id}/json`)).json()) as { State: { Pid: number } }
        return State.Pid
      }),
    pauseFromOutside: ({ id }) => Effect.promise(() => engine("POST", `/containers/${id}/pause`)),
    kill: ({ id }) => Effect.promise(() => engine("POST", `/containers/${id}/kill`))
  }
}

if ("name" in image) suite("Docker", subject(image.name))
else suite("Docker", undefined, image.missing)
