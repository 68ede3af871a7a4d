/**
 * Verifies requests signed with AWS Signature Version 4, in their headers or as presigned URLs. Whether the one who
 * signed may do what is asked is not its business.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import { Result } from "effect"
import { canonicalRequest, type SignedRequest } from "./canonicalRequest.ts"

export interface SignatureOptions {
  readonly region: string
  readonly service: string
  /** Unix. */
  readonly nowMillis: number
  /** The secret of an access key; undefined where there is no such key. */
  readonly secretOf: (accessKeyId: string) => string | undefined
}

/** What a request says of its own signature. */
interface Claim {
  readonly accessKeyId: string
  readonly day: string
  readonly region: string
  readonly service: string
  readonly signedHeaders: ReadonlyArray<string>
  readonly signature: string
  readonly date: string
  readonly payloadHash: string | undefined
  /** Seconds; of a presigned URL alone. */
  readonly expires?: number
}

/** A signature holds for so long before and after its date. */
const maxSkewMillis = 5 * 60 * 1000
/** A week: the most that a presigned URL may ask for. */
const maxExpiresSeconds = 604_800
const algorithm = "AWS4-HMAC-SHA256"

/** The access key that signed `request`, or one line that says why the signature does not hold. */
export const verifySignature = (request: SignedRequest, options: SignatureOptions): Result.Result<string, string> => {
  const claim = claimOf(request)
  if (typeof claim === "string") return Result.fail(claim)
  const { accessKeyId, day, region, service, signedHeaders } = claim
  if (region !== options.region || service !== options.service) {
    return Result.fail(`the signature is for ${region}/${service}, not ${options.region}/${options.service}`)
  }
  const late = outOfTime(claim, options.nowMillis)
  if (late !== undefined) return Result.fail(late)
  if (!signedHeaders.includes("host")) return Result.fail("the host header is not signed")
  const missing = signedHeaders.find((name) => !request.headers.has(name))
  if (missing !== undefined) return Result.fail(`the signed header ${missing} is missing`)
  const secret = options.secretOf(accessKeyId)
  if (secret === undefined) return Result.fail(`the access key ${accessKeyId} is not known`)
  const payload = payloadHashOf(claim, request.body)
  if (Result.isFailure(payload)) return Result.fail(payload.failure)

  const canonical = canonicalRequest(request, signedHeaders, payload.success)
  const scope = [day, region, service, "aws4_request"]
  const toSign = [algorithm, claim.date, scope.join("/"), sha256(canonical)].join("\n")
  const key = scope.reduce((signing: string | Buffer, part) => hmac(signing, part), `AWS4${secret}`)
  return timingSafeEqual(Buffer.from(hmac(key, toSign).toString("hex")), Buffer.from(claim.signature))
    ? Result.succeed(accessKeyId)
    : Result.fail("the signature does not match the request")
}

const sha256 = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex")
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest()

const claimOf = (request: SignedRequest): Claim | string => {
  const authorization = request.headers.get("authorization")
  const query = new URLSearchParams(request.query)
  if (authorization !== null) {
    const [, given, fields = ""] = /^(\S+)\s+(.*)$/.exec(authorization) ?? []
    if (given !== algorithm) return `the authorization is not ${algorithm}`
    const field = (name: string) => new RegExp(`(?:^|[\\s,])${name}=([^,\\s]+)`).exec(fields)?.[1]
    return claim({
      credential: field("Credential"),
      signedHeaders: field("SignedHeaders"),
      signature: field("Signature"),
      date: request.headers.get("x-amz-date"),
      payloadHash: request.headers.get("x-amz-content-sha256")
    })
  }
  if (!query.has("X-Amz-Signature")) return "the request is not signed"
  if (query.get("X-Amz-Algorithm") !== algorithm) return `X-Amz-Algorithm is not ${algorithm}`
  return claim({
    credential: query.get("X-Amz-Credential"),
    signedHeaders: query.get("X-Amz-SignedHeaders"),
    signature: query.get("X-Amz-Signature"),
    date: query.get("X-Amz-Date"),
    payloadHash: query.get("X-Amz-Content-Sha256") ?? request.headers.get("x-amz-content-sha256"),
    expires: query.get("X-Amz-Expires") ?? ""
  })
}

interface RawClaim {
  readonly credential: string | null | undefined
  readonly signedHeaders: string | null | undefined
  readonly signature: string | null | undefined
  readonly date: string | null
  readonly payloadHash: string | null
  readonly expires?: string
}

const claim = (raw: RawClaim): Claim | string => {
  const credential = /^([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request$/.exec(raw.credential ?? "")
  if (credential === null) return "the credential is malformed"
  const [, accessKeyId = "", day = "", region = "", service = ""] = credential
  if (!/^[0-9a-f]{64}$/.test(raw.signature ?? "")) return "the signature is malformed"
  if (raw.date === null || !/^\d{8}T\d{6}Z$/.test(raw.date)) return "X-Amz-Date is missing or malformed"
  if (!raw.date.startsWith(day)) return "the credential is of another day than X-Amz-Date"
  const expires = raw.expires === undefined ? undefined : Number(raw.expires || Number.NaN)
  if (expires !== undefined && !(expires >= 1 && expires <= maxExpiresSeconds)) {
    return `X-Amz-Expires is not between 1 and ${maxExpiresSeconds}`
  }
  return {
    accessKeyId,
    day,
    region,
    service,
    signedHeaders: (raw.signedHeaders ?? "").toLowerCase().split(";"),
    signature: raw.signature ?? "",
    date: raw.date,
    payloadHash: raw.payloadHash ?? undefined,
    ...(expires === undefined ? {} : { expires })
  }
}

const outOfTime = ({ date, expires }: Claim, nowMillis: number): string | undefined => {
  const signed = Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"))
  if (Number.isNaN(signed)) return "X-Amz-Date is no date"
  if (nowMillis < signed - maxSkewMillis) return `the signature is not valid before ${date}`
  const lifeMillis = expires === undefined ? maxSkewMillis : expires * 1000
  return nowMillis > signed + lifeMillis ? `the signature of ${date} has expired` : undefined
}

/** What was signed in place of the body: its hash, or that it is not signed. */
const payloadHashOf = ({ payloadHash }: Claim, body: Uint8Array): Result.Result<string, string> => {
  if (payloadHash === "UNSIGNED-PAYLOAD") return Result.succeed(payloadHash)
  if (payloadHash?.startsWith("STREAMING-") === true) {
    return Result.fail(`${payloadHash} is not supported: sign the payload's SHA-256, or send UNSIGNED-PAYLOAD`)
  }
  const actual = sha256(body)
  return payloadHash === undefined || payloadHash === actual
    ? Result.succeed(actual)
    : Result.fail("the payload is not the one that was signed")
}
