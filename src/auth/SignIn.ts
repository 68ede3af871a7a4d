/**
 * The gateway's own sign-in: one user and one API key, who get tokens that hold for a while, signed with HMAC-SHA-256.
 * How they are asked for over HTTP is the gateway's to say.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { Clock, Context, Duration, Effect, Layer, Schema } from "effect"

export interface SignInOptions {
  /** What programs show before they may try a password. */
  readonly apiKey: string
  readonly user: string
  readonly password: string
  /** At least 32 characters. Whoever has it can make tokens, and this takes those of others who have it. */
  readonly secret: string
  /** How long a token holds, in whole seconds. */
  readonly life: Duration.Duration
}

/** The user is another one, or the password. */
export class PasswordWrong extends Schema.TaggedError<PasswordWrong>()("PasswordWrong", {}) {}

export class TokenInvalid extends Schema.TaggedError<TokenInvalid>()("TokenInvalid", {
  /** One line for the log, without the token. */
  reason: Schema.String
}) {}

export class SignIn extends Context.Service<
  SignIn,
  {
    /** Takes the same time for every key. */
    readonly knowsKey: (apiKey: string) => boolean
    /** Answers with a token. Takes the same time whichever of the two is wrong. */
    readonly enter: (user: string, password: string) => Effect.Effect<string, PasswordWrong>
    /** Whose token it is. */
    readonly verify: (token: string) => Effect.Effect<string, TokenInvalid>
  }
>()("irori/auth/SignIn") {
  static readonly layer = ({ apiKey, life, password, secret, user }: SignInOptions) => {
    const key = new TextEncoder().encode(secret)
    return Layer.succeed(SignIn, {
      knowsKey: (given) => isSame(given, apiKey),
      enter: Effect.fn("SignIn.enter")(function* (givenUser, givenPassword) {
        const isUser = isSame(givenUser, user)
        if (!isSame(givenPassword, password) || !isUser) return yield* new PasswordWrong()
        const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        const claims = { sub: user, exp: now + Math.floor(Duration.toSeconds(life)), iat: now }
        return yield* Effect.promise(async () => {
          const { SignJWT } = await jose()
          return new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(key)
        })
      }),
      verify: Effect.fnUntraced(function* (token) {
        const now = yield* Clock.currentTimeMillis
        const { payload } = yield* Effect.tryPromise({
          try: async () => {
            const { jwtVerify } = await jose()
            return jwtVerify(token, key, {
              algorithms: ["HS256"],
              requiredClaims: ["sub", "exp"],
              currentDate: new Date(now)
            })
          },
          catch: (cause) => new TokenInvalid({ reason: cause instanceof Error ? cause.message : String(cause) })
        })
        const { iat, sub } = payload
        if (typeof sub !== "string" || sub === "") return yield* new TokenInvalid({ reason: "nobody is its subject" })
        if (iat !== undefined && iat > now / 1000) return yield* new TokenInvalid({ reason: "it is of the future" })
        return sub
      })
    })
  }

  /** Nobody can sign in, and no token is one of this gateway's. */
  static readonly layerNone = Layer.succeed(SignIn, {
    knowsKey: () => false,
    enter: () => Effect.fail(new PasswordWrong()),
    verify: () => Effect.fail(new TokenInvalid({ reason: "no sign-in is set up" }))
  })
}

/** Not in memory where nobody signs in. */
const jose = () => import("jose")

const digest = (text: string) => createHash("sha256").update(text).digest()

/** Digests have one length, and comparing them takes one time, whatever was given. */
const isSame = (given: string, expected: string): boolean => timingSafeEqual(digest(given), digest(expected))
