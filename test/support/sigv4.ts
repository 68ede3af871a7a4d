/** Signs requests as AWS's own clients do. */
import { createHash, createHmac } from "node:crypto"
import { SignatureV4 } from "@smithy/signature-v4"

/** As AWS's client wants one. */
class Sha256 {
  readonly #hash
  constructor(key?: Uint8Array | string) {
    this.#hash = key === undefined ? createHash("sha256") : createHmac("sha256", key)
  }
  update(data: Uint8Array | string) {
    this.#hash.update(data)
  }
  digest() {
    return Promise.resolve(new Uint8Array(this.#hash.digest()))
  }
  reset() {}
}

export interface Plain {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string | Array<string>>
  /** With `host` among them. */
  readonly headers: Record<string, string>
  readonly body: string
}

export interface SignOptions {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly date: Date
  /** Seconds: as a presigned URL that is valid for so long. */
  readonly expires?: number
  /** By default `lambda`. */
  readonly service?: string
}

export const sign = async (
  request: Plain,
  { accessKeyId, date, expires, secretAccessKey, service = "lambda" }: SignOptions
): Promise<Plain> => {
  const signer = new SignatureV4({
    service,
    region: "us-east-1",
    credentials: { accessKeyId, secretAccessKey },
    // The types are those of a class that takes other forms of bytes as well.
    sha256: Sha256 as never
  })
  const given = { ...request, protocol: "http:", hostname: request.headers.host } as never
  const signed: unknown =
    expires === undefined
      ? await signer.sign(given, { signingDate: date })
      : await signer.presign(given, { signingDate: date, expiresIn: expires })
  return signed as Plain
}

export const encodeQuery = (query: Plain["query"]): string =>
  Object.entries(query)
    .flatMap(([name, value]) => [value].flat().map((item) => `${encodeURIComponent(name)}=${encodeURIComponent(item)}`))
    .join("&")
