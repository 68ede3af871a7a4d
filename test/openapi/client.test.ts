import { execFile } from "node:child_process"
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import openapiTS, { astToString } from "openapi-typescript"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openApiFiles } from "../../plugins/writeOpenApi.ts"
import { gatewayApp } from "../gateway/gatewayApp.ts"

const program = `
import createClient from "openapi-fetch"
import type { paths } from "./gateway.ts"

export const invoke = async (baseUrl: string, functionName: string) => {
  const client = createClient<paths>({ baseUrl })
  const { data, error, response } = await client.POST("/2015-03-31/functions/{FunctionName}/invocations", {
    params: { path: { FunctionName: functionName }, header: { "X-Amz-Invocation-Type": "RequestResponse" } },
    body: { greeting: "Hello" }
  })
  const refusal = error === undefined ? undefined : "Message" in error ? error.Message : error.message
  return { status: response.status, data, refusal }
}
`

/** Each is one wrong key or value in the program above. */
const mistakes = [
  ["FunctionName: functionName", "functionName"],
  ['"RequestResponse"', '"Sync"'],
  ["{FunctionName}/invocations", "{FunctionName}/invoke"],
  ["error.message", "error.text"]
] as const

let folder = ""

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "irori-client-"))
  await symlink(resolve("node_modules"), join(folder, "node_modules"))
  const document = (await openApiFiles()).get("openapi/gateway.yaml")!
  await writeFile(join(folder, "gateway.ts"), astToString(await openapiTS(document)))
  await writeFile(join(folder, "right.ts"), program)
  for (const [index, [right, wrong]] of mistakes.entries()) {
    expect(program).toContain(right)
    await writeFile(join(folder, `wrong${index}.ts`), program.replace(right, wrong))
  }
  const { compilerOptions } = JSON.parse(await Bun.file("tsconfig.json").text())
  await writeFile(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { ...compilerOptions, lib: ["ESNext", "DOM"], types: [] }, include: ["*.ts"] })
  )
})

afterAll(() => rm(folder, { recursive: true }))

it("type-checks a program that uses the generated client, and finds a mistake in each wrong one", async () => {
  const compiler = resolve("node_modules/typescript-native/bin/tsc")
  const run = promisify(execFile)(process.execPath, [compiler, "-p", folder])
  const { stdout } = (await run.catch((failed: unknown) => failed)) as { stdout: string }
  const withErrors = new Set([...stdout.matchAll(/(\w+)\.ts\(\d+,\d+\): error/g)].map((match) => match[1]))
  expect([...withErrors].sort()).toEqual(mistakes.map((_, index) => `wrong${index}`))
})

it("invokes a function with the generated client", async () => {
  const gateway = gatewayApp()
  const app = gateway.app.listen({ port: 0, hostname: "127.0.0.1", reusePort: false })
  try {
    const { invoke } = (await import(join(folder, "right.ts"))) as {
      invoke: (baseUrl: string, functionName: string) => Promise<unknown>
    }
    const url = `http://127.0.0.1:${app.server!.port}`
    expect(await invoke(url, "hello")).toEqual({ status: 200, data: { greeting: "Hello" }, refusal: undefined })
    expect(await invoke(url, "nope")).toEqual({
      status: 404,
      data: undefined,
      refusal: "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nope:$LATEST"
    })
  } finally {
    await app.stop(true)
  }
})
