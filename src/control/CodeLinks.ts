/** Links under which a package can be fetched for a while, by whoever has one: without a key, and without guessing. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Clock, Context, Duration, Effect, Layer, Schema } from "effect"
import { CodeStore } from "./CodeStore.ts"

/** The link is not one of this process's, or its time is up. */
export class LinkExpired extends Schema.TaggedError<LinkExpired>()("LinkExpired", {}) {
  override get message() {
    return "Request has expired"
  }
}

/** Lambda's. */
const validFor = "10 minutes"

export class CodeLinks extends Context.Service<
  CodeLinks,
  {
    /** `origin` as the caller reaches this server. */
    readonly linkTo: (origin: string, sha256: string) => Effect.Effect<string>
    /** The path of the ZIP to which a link leads. */
    readonly open: (
      sha256: string,
      expires: string | undefined,
      signature: string | undefined
    ) => Effect.Effect<string, LinkExpired>
  }
>()("irori/control/CodeLinks") {
  static readonly layer = Layer.effect(
    CodeLinks,
    Effect.gen(function* () {
      const codes = yield* CodeStore
      const key = randomBytes(32)
      const sign = (sha256: string, expires: string) =>
        createHmac("sha256", key).update(`${sha256} ${expires}`).digest()
      return CodeLinks.of({
        linkTo: (origin, sha256) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            const expires = String(now + Duration.toMillis(validFor))
            return `${origin}/snapshots/${sha256}?expires=${expires}&signature=${sign(sha256, expires).toString("hex")}`
          }),
        open: Effect.fnUntraced(function* (sha256, expires = "", signature = "") {
          const given = Buffer.from(signature, "hex")
          const right = sign(sha256, expires)
          const isRight = given.length === right.length && timingSafeEqual(given, right)
          const now = yield* Clock.currentTimeMillis
          return isRight && now < Number(expires) ? codes.zipOf(sha256) : yield* new LinkExpired()
        })
      })
    })
  )
}
