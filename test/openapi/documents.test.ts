import { readFile } from "node:fs/promises"
import { validate } from "@readme/openapi-parser"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { openApiFiles } from "../../plugins/writeOpenApi.ts"

interface Operation {
  readonly operationId: string
  readonly tags: ReadonlyArray<string>
  readonly summary: string
  readonly security?: ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly parameters: ReadonlyArray<{ readonly in: string; readonly name: string }>
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

interface Document {
  readonly components: { readonly securitySchemes?: Readonly<Record<string, unknown>> }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const files = await openApiFiles()

describe.each([...files])("%s", (path, text) => {
  const document: Document = parse(text)
  const operations = Object.values(document.paths).flatMap((item) => Object.values(item))

  it("is what the routes say; `bun run openapi` writes it", async () => {
    expect(await readFile(path, "utf8")).toBe(text)
  })

  it("is a valid OpenAPI document", async () => {
    const report = await validate(parse(text))
    expect(report).toMatchObject({ valid: true, warnings: [] })
  })

  it("gives each operation an id of its own, a tag, a summary and answers", () => {
    const ids = operations.map(({ operationId }) => operationId)
    expect(ids).toEqual([...new Set(ids)])
    for (const operation of operations) {
      expect(operation.summary).toEqual(expect.any(String))
      expect(operation.tags).toHaveLength(1)
      expect(Object.keys(operation.responses)).not.toEqual([])
    }
  })
})

describe("openapi/manager.yaml", () => {
  it("says of all operations but the health check that they need the token, and what that is", () => {
    const document: Document = parse(files.get("openapi/manager.yaml")!)
    const operations = Object.values(document.paths).flatMap((item) => Object.values(item))
    const open = operations.filter(({ security = [] }) => security.length === 0)
    expect(open.map(({ operationId }) => operationId)).toEqual(["Health"])
    for (const { security = [] } of operations) {
      for (const name of security.flatMap((requirement) => Object.keys(requirement))) {
        expect(document.components.securitySchemes).toHaveProperty(name, { type: "http", scheme: "bearer" })
      }
    }
  })
})

describe("openapi/gateway.yaml", () => {
  const document: Document = parse(files.get("openapi/gateway.yaml")!)
  const invoke = document.paths["/2015-03-31/functions/{FunctionName}/invocations"]!.post!

  it("has every status that Invoke can answer, with an example for each that has a body", () => {
    expect(Object.keys(invoke.responses).map(Number)).toEqual([200, 202, 204, 400, 403, 404, 413, 429, 500, 502, 503])
    for (const [status, { content }] of Object.entries(invoke.responses)) {
      if (["202", "204"].includes(status)) expect(content).toBeUndefined()
      else expect(content).toMatchObject({ "application/json": { schema: {}, examples: expect.anything() } })
    }
  })

  it("has the parameters of Invoke", () => {
    expect(invoke.parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).toEqual([
      "path FunctionName",
      "query Qualifier",
      "header X-Amz-Invocation-Type",
      "header X-Amz-Log-Type",
      "header X-Amz-Client-Context",
      "header X-Amzn-Trace-Id"
    ])
  })
})
