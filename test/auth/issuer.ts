/** An issuer of tokens, made up for tests: its keys, its tokens, and what it publishes. */
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose"
import type { FetchJson } from "../../src/auth/JwksCache.ts"

export const issuer = "https://issuer.example.com/pool"

interface TokenSettings {
  readonly kid?: string | null
  readonly alg?: string
}

export const newKey = async (kid: string, alg = "RS256") => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return {
    kid,
    jwk: { ...(await exportJWK(publicKey)), kid, use: "sig" },
    /** Times are in seconds, and the clock of tests begins at 0. */
    sign: (claims: Readonly<Record<string, unknown>> = {}, settings: TokenSettings = {}) => {
      const id = settings.kid === undefined ? kid : settings.kid
      const whole = { iss: issuer, aud: "client", exp: 3600, iat: 0, sub: "me", ...claims }
      return new SignJWT(whole as JWTPayload)
        .setProtectedHeader({ alg: settings.alg ?? alg, ...(id === null ? {} : { kid: id }) })
        .sign(privateKey)
    }
  }
}

export type Key = Awaited<ReturnType<typeof newKey>>

/** Publishes whatever `keys` has at the moment, unless `failing` says why it cannot. */
export const publisher = (keys: Array<Key>) => {
  const state = { failing: undefined as string | undefined, asked: [] as Array<string>, hanging: false }
  const fetchJson: FetchJson = async (url, signal) => {
    state.asked.push(url)
    if (state.hanging) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))))
    }
    if (state.failing !== undefined) throw new Error(state.failing)
    if (url.endsWith("openid-configuration")) return { issuer, jwks_uri: `${issuer}/keys` }
    return { keys: keys.map(({ jwk }) => jwk) }
  }
  return { state, fetchJson }
}
