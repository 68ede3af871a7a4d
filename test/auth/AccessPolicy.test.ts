import { describe, expect, it } from "vitest"
import { decide, matches, readPolicy } from "../../src/auth/AccessPolicy.ts"

const decision = (statements: unknown, ...resources: Array<string>) =>
  decide(readPolicy({ Version: "2012-10-17", Statement: statements })!, resources)

const allow = (Resource: unknown, Action: unknown = "execute-api:Invoke") => ({ Effect: "Allow", Action, Resource })
const deny = (Resource: unknown, Action: unknown = "execute-api:Invoke") => ({ Effect: "Deny", Action, Resource })

describe("a policy", () => {
  it.each<readonly [string, unknown, string]>([
    ["allows what it names", allow("a/GET/pets"), "allow"],
    ["allows one of several", allow(["x", "a/*"]), "allow"],
    ["allows by any action that covers it", [allow("*", ["s3:Get", "execute-api:*"])], "allow"],
    ["takes actions in any case", [allow("*", "Execute-Api:invoke")], "allow"],
    ["takes * for every action", [allow("*", "*")], "allow"],
    ["allows nothing by another action", [allow("*", "execute-api:ManageConnections")], "deny"],
    ["allows nothing that it does not name", [allow("a/POST/pets")], "deny"],
    ["allows nothing when it is empty", [], "deny"],
    ["denies before it allows", [deny("a/GET/*"), allow("*")], "explicit-deny"],
    ["denies after it has allowed", [allow("*"), deny("a/???/pets")], "explicit-deny"],
    ["denies nothing by another action", [allow("*"), deny("*", "s3:*")], "allow"],
    ["allows nothing under a condition", [{ ...allow("*"), Condition: { IpAddress: {} } }], "deny"],
    ["denies under any condition", [allow("*"), { ...deny("*"), Condition: { IpAddress: {} } }], "explicit-deny"]
  ])("%s", (_, statements, expected) => {
    expect(decision(statements, "a/GET/pets")).toBe(expected)
  })

  it("is for every name of a call", () => {
    expect(decision([allow("a")], "a", "b")).toBe("deny")
    expect(decision([allow("a"), allow("b")], "a", "b")).toBe("allow")
    expect(decision([allow("*"), deny("b")], "a", "b")).toBe("explicit-deny")
  })

  it.each([
    undefined,
    null,
    "Allow",
    {},
    { Statement: "Allow" },
    { Statement: [{ Effect: "allow", Action: "*", Resource: "*" }] },
    { Statement: [{ Effect: "Allow", Resource: "*" }] },
    { Statement: [{ Effect: "Allow", Action: "*" }] },
    { Statement: [{ Effect: "Allow", Action: "*", Resource: [1] }] },
    { Statement: [{ Effect: "Allow", Action: "*", Resource: [] }] }
  ])("is none: %j", (document) => {
    expect(readPolicy(document)).toBeUndefined()
  })
})

describe("a pattern", () => {
  it.each<readonly [string, string, boolean]>([
    ["", "", true],
    ["*", "", true],
    ["?", "", false],
    ["a*c", "abbc", true],
    ["a*c", "abbcd", false],
    ["a*b*c", "a-b-b-c", true],
    ["*/GET/*", "x/GET/y/z", true],
    ["a.c", "abc", false],
    ["A", "a", false],
    ["a?", "a", false],
    ["**", "abc", true]
  ])("%s on %s", (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected)
  })

  it("of many stars takes no time to speak of", () => {
    const started = performance.now()
    expect(matches(`${"*a".repeat(50)}*b`, "a".repeat(10_000))).toBe(false)
    expect(performance.now() - started).toBeLessThan(2000)
  })
})
