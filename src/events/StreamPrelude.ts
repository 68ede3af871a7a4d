/**
 * The beginning of a streamed HTTP response: status, headers and cookies as JSON, eight NUL bytes, then the body
 * (`LAMBDA-CONTRACT.md` section 4.2). Read in whatever pieces it comes.
 */
import { Result } from "effect"
import { type HttpAnswerHead, httpAnswerHead } from "./HttpResponseV2.ts"

/** The content type of a stream that begins so. */
export const isIntegrationResponse = (contentType: string | undefined): boolean =>
  (contentType ?? "").split(";", 1)[0]!.trim().toLowerCase() === "application/vnd.awslambda.http-integration-response"

/** A longer one is none. */
const maxPreludeBytes = 64 * 1024
const endBytes = 8

export interface StreamBeginning {
  readonly head: HttpAnswerHead
  /** What of the body came with the end of the prelude; may be empty. */
  readonly rest: Uint8Array
}

export class PreludeReader {
  #held: Uint8Array = new Uint8Array()

  /** Undefined until the prelude is whole; after that, or after a failure, the reader is of no more use. */
  push(piece: Uint8Array): Result.Result<StreamBeginning, string> | undefined {
    this.#held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    // JSON has no NUL in it, so the first one ends it.
    const end = this.#held.indexOf(0)
    if (end === -1 || this.#held.length < end + endBytes) {
      return this.#held.length > maxPreludeBytes ? Result.fail("its prelude does not end") : undefined
    }
    if (this.#held.subarray(end, end + endBytes).some((byte) => byte !== 0)) {
      return Result.fail("its prelude does not end with eight NUL bytes")
    }
    const rest = this.#held.subarray(end + endBytes)
    return Result.map(readHead(this.#held.subarray(0, end)), (head) => ({ head, rest }))
  }
}

const readHead = (bytes: Uint8Array): Result.Result<HttpAnswerHead, string> => {
  let prelude: unknown
  try {
    prelude = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return Result.fail("its prelude is not JSON")
  }
  if (typeof prelude !== "object" || prelude === null || Array.isArray(prelude)) {
    return Result.fail("its prelude is no object")
  }
  return httpAnswerHead(prelude as Readonly<Record<string, unknown>>)
}
