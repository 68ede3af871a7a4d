/** Asks for a signature of AWS's kind, by one of the access keys that the settings know. */
import { Effect, Result } from "effect"
import type { Owner } from "../domain/FunctionName.ts"
import type { IamAuthorizer } from "../events/HttpEventV2.ts"
import type { Authorized, CallRefused, RouteCall } from "../routing/RouteAuthorizer.ts"
import { accountOf, type Credential, type Credentials } from "../sigv4/Credentials.ts"
import { verifySignature } from "../sigv4/verifySignature.ts"
import { denied, unsigned } from "./refusals.ts"

export interface SignatureOptions {
  readonly owner: Owner
  readonly credentials: Credentials
}

export const authorizeSigned = (
  { credentials, owner }: SignatureOptions,
  call: RouteCall
): Effect.Effect<Authorized, CallRefused> => {
  const { api, request, route, sent, timeMillis } = call
  if (!sent.headers.has("authorization") && !new URLSearchParams(sent.query).has("X-Amz-Signature")) {
    const type = "MissingAuthenticationTokenException"
    return Effect.fail(unsigned(api, "it is not signed", type, "Missing Authentication Token"))
  }
  const signer = verifySignature(
    { ...sent, body: request.body },
    {
      region: owner.region,
      service: "execute-api",
      nowMillis: timeMillis,
      secretOf: (accessKeyId) => credentials.get(accessKeyId)?.secretAccessKey
    }
  )
  if (Result.isFailure(signer)) {
    const told = `The signature of this request does not hold: ${signer.failure}.`
    return Effect.fail(unsigned(api, signer.failure, "InvalidSignatureException", told))
  }
  // The signature was verified by this very one.
  const credential = credentials.get(signer.success)!
  // What an account's own users may do is for their own policies to say, which are not kept here: those who have a key may.
  if (accountOf(credential) !== owner.accountId) {
    return Effect.fail(denied(api, `${credential.userArn} is of another account`, false))
  }
  return Effect.succeed(route?.payloadFormat === "2.0" ? { context: { iam: iamOf(credential) } } : callerOf(credential))
}

/** A user's own id is not known here: its access key stands for it. That of an account is the account's number. */
const userIdOf = (credential: Credential): string =>
  credential.userArn.endsWith(":root") ? accountOf(credential) : credential.accessKeyId

/** As events of payload format 2.0 have it. */
export const iamOf = (credential: Credential): IamAuthorizer => {
  const userId = userIdOf(credential)
  return {
    accessKey: credential.accessKeyId,
    accountId: accountOf(credential),
    callerId: userId,
    cognitoIdentity: null,
    principalOrgId: null,
    userArn: credential.userArn,
    userId
  }
}

const callerOf = (credential: Credential): Authorized => {
  const userId = userIdOf(credential)
  return {
    caller: {
      accessKey: credential.accessKeyId,
      accountId: accountOf(credential),
      caller: userId,
      user: userId,
      userArn: credential.userArn
    }
  }
}
