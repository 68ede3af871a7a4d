/** Packages for those who have a link to one, as GetFunction answers with. */
import { readFile } from "node:fs/promises"
import { Effect, type ManagedRuntime } from "effect"
import { Elysia } from "elysia"
import { CodeLinks, LinkExpired } from "../../src/control/CodeLinks.ts"
import type { Owner } from "../../src/domain/FunctionName.ts"
import { respond } from "../gateway/respond.ts"

export const code = (runtime: ManagedRuntime.ManagedRuntime<CodeLinks, never>, owner: Owner) =>
  new Elysia({ name: "code" }).get(
    "/snapshots/:sha256",
    ({ params, query, request }) =>
      respond(runtime, request, owner, answer(params.sha256, query.expires, query.signature)),
    { detail: { hide: true } }
  )

const answer = Effect.fnUntraced(
  function* (sha256: string, expires: string | undefined, signature: string | undefined) {
    const links = yield* CodeLinks
    const path = yield* links.open(sha256, expires, signature)
    const zip = yield* Effect.tryPromise({
      try: () => readFile(path),
      // The function went, and its package after it.
      catch: () => new LinkExpired()
    })
    return new Response(new Uint8Array(zip), { headers: { "Content-Type": "application/zip" } })
  },
  Effect.catchTag("LinkExpired", ({ message }) => Effect.succeed(refused(message)))
)

/** As S3 says it, where Lambda's links lead. */
const refused = (message: string) =>
  new Response(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>${message}</Message></Error>`,
    { status: 403, headers: { "Content-Type": "application/xml" } }
  )
