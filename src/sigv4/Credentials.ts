/** Who may sign requests: access keys with their secrets, and whose they are. */
import { Result } from "effect"
import type { Owner } from "../domain/FunctionName.ts"

export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly userArn: string
}

/** By access key. */
export type Credentials = ReadonlyMap<string, Credential>

/** Reads `AKID:secret[:userArn],…`; without an ARN a key is the account's own. Fails with one line for a person. */
export const parseCredentials = (text: string, owner: Owner): Result.Result<Credentials, string> => {
  const credentials = new Map<string, Credential>()
  for (const [index, entry] of text.split(",").entries()) {
    if (entry.trim() === "") continue
    const [accessKeyId = "", secretAccessKey = "", ...rest] = entry.trim().split(":")
    const userArn = rest.length === 0 ? `arn:aws:iam::${owner.accountId}:root` : rest.join(":")
    // The entry itself is not repeated: it has a secret in it.
    if (!/^\w+$/.test(accessKeyId) || secretAccessKey === "" || !userArnPattern.test(userArn)) {
      return Result.fail(`entry ${index + 1} is not of the form AKID:secret or AKID:secret:arn:aws:iam::<account>:…`)
    }
    credentials.set(accessKeyId, { accessKeyId, secretAccessKey, userArn })
  }
  return Result.succeed(credentials)
}

const userArnPattern = /^arn:aws[a-z-]*:(?:iam|sts)::\d{12}:\S+$/

export const accountOf = ({ userArn }: Credential): string => userArn.split(":")[4] ?? ""
