/** Who may call a function URL (`LAMBDA-CONTRACT.md` section 11.2): nobody, unless its policy or a signature says so. */
import { Effect, Result, Schema } from "effect"
import { iamOf } from "../../src/auth/IamAuthorizer.ts"
import type { FunctionUrl } from "../../src/control/FunctionUrls.ts"
import { isAllowed, type ResourcePolicy } from "../../src/control/ResourcePolicy.ts"
import type { Owner } from "../../src/domain/FunctionName.ts"
import type { IamAuthorizer } from "../../src/events/HttpEventV2.ts"
import { accountOf, type Credentials } from "../../src/sigv4/Credentials.ts"
import type { SignedRequest } from "../../src/sigv4/canonicalRequest.ts"
import { verifySignature } from "../../src/sigv4/verifySignature.ts"

/** There is no URL with this id. */
export class UrlUnknown extends Schema.TaggedError<UrlUnknown>()("UrlUnknown", {}) {}

export class UrlForbidden extends Schema.TaggedError<UrlForbidden>()("UrlForbidden", {
  /** One line, for the log. */
  reason: Schema.String
}) {
  /** What the client is told: as little as Lambda tells, but what it could not guess. */
  get answer() {
    return this.reason.startsWith("STREAMING-")
      ? this.reason
      : "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
  }
}

export interface AccessOptions {
  readonly owner: Owner
  readonly credentials: Credentials
}

const action = "lambda:InvokeFunctionUrl"

/** Answers with who has signed, where the URL asks for that. */
export const authorize = (
  { authType, isDeclared }: FunctionUrl,
  policy: ResourcePolicy | undefined,
  { credentials, owner }: AccessOptions,
  nowMillis: number,
  request: SignedRequest
): Effect.Effect<IamAuthorizer | undefined, UrlForbidden> => {
  const allows = (principal: string) => isAllowed(policy, { action, principal, authType, isViaFunctionUrl: true })
  if (authType === "NONE") {
    // One that is declared in a file has no policy to go with it: the declaration is the permission.
    return isDeclared === true || allows("*")
      ? Effect.succeed(undefined)
      : forbid(`no permission allows ${action} to * with FunctionUrlAuthType NONE`)
  }
  const signer = verifySignature(request, {
    region: owner.region,
    service: "lambda",
    nowMillis,
    secretOf: (accessKeyId) => credentials.get(accessKeyId)?.secretAccessKey
  })
  if (Result.isFailure(signer)) return forbid(signer.failure)
  // The signature was verified by this very one.
  const credential = credentials.get(signer.success)!
  // What an account's own users may do is for their own policies to say, which are not kept here: those who have a key may.
  if (accountOf(credential) !== owner.accountId && !allows(credential.userArn)) {
    return forbid(`no permission allows ${action} to ${credential.userArn} with FunctionUrlAuthType AWS_IAM`)
  }
  return Effect.succeed(iamOf(credential))
}

const forbid = (reason: string) => Effect.fail(new UrlForbidden({ reason }))
