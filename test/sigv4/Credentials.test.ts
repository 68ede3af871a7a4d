import { Result } from "effect"
import { expect, it } from "vitest"
import { accountOf, parseCredentials } from "../../src/sigv4/Credentials.ts"

const owner = { region: "us-east-1", accountId: "123456789012" }

it("reads keys with their secrets and users; without a user a key is the account's own", () => {
  const credentials = Result.getOrThrow(
    parseCredentials("AKIDA:a/b+c=, AKIDB:secret:arn:aws:iam::210987654321:user/me,", owner)
  )
  expect([...credentials.values()]).toEqual([
    { accessKeyId: "AKIDA", secretAccessKey: "a/b+c=", userArn: "arn:aws:iam::123456789012:root" },
    { accessKeyId: "AKIDB", secretAccessKey: "secret", userArn: "arn:aws:iam::210987654321:user/me" }
  ])
  expect(accountOf(credentials.get("AKIDB")!)).toBe("210987654321")
})

it.each(["AKID", "AKID:", ":secret", "AK ID:secret", "AKID:secret:me", "AKID:s:arn:aws:iam::1:user/me"])(
  "refuses %s without repeating it",
  (entry) => {
    const reason = Result.getOrThrow(Result.flip(parseCredentials(`AKIDA:a,${entry}`, owner)))
    expect(reason).toBe("entry 2 is not of the form AKID:secret or AKID:secret:arn:aws:iam::<account>:…")
  }
)
