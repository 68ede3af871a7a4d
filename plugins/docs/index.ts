/** Swagger UI and the API documents, all of it from this server. */
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { type AnyElysia, Elysia } from "elysia"
import type { ApiDescription, OpenApiDocument } from "./openApi.ts"
import { page, startScript, style } from "./page.ts"

export interface DocumentedApi {
  /** Of the file: `/docs/<name>.json`. */
  readonly name: string
  /** In the page's list. */
  readonly title: string
  readonly app: AnyElysia
  readonly description: ApiDescription
}

/** The first of `apis` is the one that the page opens with; `root` is what clients see in front of every path. */
export const docs = (apis: ReadonlyArray<DocumentedApi>, root = "") => {
  const documents = new Map<string, Promise<OpenApiDocument>>()
  /**
   * Made when first asked for: the routes are all there by then, and do not change. What it takes to make one, the
   * plugin for the most part, is not in memory before.
   */
  const documentOf = ({ name, app, description }: DocumentedApi) => {
    const made =
      documents.get(name) ??
      import("./openApi.ts")
        .then(({ openApiDocument }) => openApiDocument(app, description))
        .then((document) => behind(root, document))
    documents.set(name, made)
    return made
  }
  const own = new Map<string, Asset>([
    ["irori.js", { type: "text/javascript", content: startScript(apis, root) }],
    ["irori.css", { type: "text/css", content: style }]
  ])
  return new Elysia({ name: "docs" })
    .get("/docs", () => file({ type: "text/html", content: page(root) }), { detail: { hide: true } })
    .get(
      "/docs/:document",
      async ({ params }) => {
        const api = apis.find(({ name }) => params.document === `${name}.json`)
        return api === undefined
          ? notFound()
          : file({ type: "application/json", content: JSON.stringify(await documentOf(api)) })
      },
      { detail: { hide: true } }
    )
    .get(
      "/docs/assets/:asset",
      async ({ params }) => {
        const asset = own.get(params.asset) ?? (await swaggerAsset(params.asset))
        return asset === undefined ? notFound() : file(asset)
      },
      { detail: { hide: true } }
    )
}

const behind = (root: string, document: OpenApiDocument): OpenApiDocument =>
  root === "" ? document : { ...document, ...{ servers: [{ url: root }] } }

interface Asset {
  readonly type: string
  readonly content: string | Uint8Array<ArrayBuffer>
  /** Changes with the release only. */
  readonly cached?: boolean
}

/** What is served of `swagger-ui-dist`, and nothing else. */
const swaggerAssets = new Map([
  ["swagger-ui.css", "text/css"],
  ["swagger-ui-bundle.js", "text/javascript"],
  ["swagger-ui-standalone-preset.js", "text/javascript"],
  ["favicon-32x32.png", "image/png"]
])

const swaggerAsset = async (name: string): Promise<Asset | undefined> => {
  const type = swaggerAssets.get(name)
  return type === undefined
    ? undefined
    : { type, content: new Uint8Array(await readFile(join(swaggerFolder(), name))), cached: true }
}

const swaggerFolder = () => dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"))

const notFound = () => Response.json({ message: "Not Found" }, { status: 404 })

/** Swagger UI draws icons from `data:` addresses and sets styles inline; for all else this server is the only source. */
const policy = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'"
].join("; ")

const file = ({ type, content, cached = false }: Asset) =>
  new Response(content, {
    headers: {
      "Content-Type": type.startsWith("image/") ? type : `${type}; charset=utf-8`,
      "Content-Security-Policy": policy,
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": cached ? "public, max-age=3600" : "no-cache"
    }
  })
