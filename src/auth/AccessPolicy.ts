/** The policies that authorizers answer with: which calls they allow. What they do not understand allows nothing. */
import { isRecord } from "../domain/json.ts"

/** One statement, with everything that may be one thing or several as a list. */
interface Statement {
  readonly isDeny: boolean
  readonly actions: ReadonlyArray<string>
  readonly resources: ReadonlyArray<string>
  /** Whether there are conditions, which are not looked into: such a statement denies, and never allows. */
  readonly isConditional: boolean
}

export type AccessPolicy = ReadonlyArray<Statement>

export type Decision = "allow" | "deny" | "explicit-deny"

const action = "execute-api:Invoke"

/** Undefined for what is no policy. */
export const readPolicy = (document: unknown): AccessPolicy | undefined => {
  if (!isRecord(document) || document.Statement === undefined) return undefined
  const statements = [document.Statement].flat().map(readStatement)
  return statements.every((statement) => statement !== undefined) ? statements : undefined
}

const readStatement = (given: unknown): Statement | undefined => {
  if (!isRecord(given)) return undefined
  const actions = textsOf(given.Action)
  const resources = textsOf(given.Resource)
  if (given.Effect !== "Allow" && given.Effect !== "Deny") return undefined
  if (actions === undefined || resources === undefined) return undefined
  return { isDeny: given.Effect === "Deny", actions, resources, isConditional: given.Condition !== undefined }
}

/**
 * Whether a call may be made that has all of `resources` as its names: a path in two spellings is one path, and what is
 * denied to one of them is denied.
 */
export const decide = (policy: AccessPolicy, resources: ReadonlyArray<string>): Decision => {
  const about = policy.filter(({ actions }) => actions.some((one) => matches(one.toLowerCase(), action.toLowerCase())))
  const covers = (statement: Statement, resource: string) => statement.resources.some((one) => matches(one, resource))
  const denials = about.filter(({ isDeny }) => isDeny)
  if (denials.some((denial) => resources.some((resource) => covers(denial, resource)))) return "explicit-deny"
  const grants = about.filter(({ isConditional, isDeny }) => !isDeny && !isConditional)
  return resources.every((resource) => grants.some((grant) => covers(grant, resource))) ? "allow" : "deny"
}

/** `*` stands for any characters, `?` for any one. Takes time in proportion to the two lengths, whatever they are. */
export const matches = (pattern: string, text: string): boolean => {
  let at = 0
  let star = -1
  let retry = 0
  let position = 0
  while (position < text.length) {
    if (pattern[at] === "*") {
      star = at++
      retry = position
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === text[position])) {
      at++
      position++
    } else if (star === -1) {
      return false
    } else {
      at = star + 1
      position = ++retry
    }
  }
  while (pattern[at] === "*") at++
  return at === pattern.length
}

const textsOf = (value: unknown): ReadonlyArray<string> | undefined => {
  const texts = [value].flat()
  return texts.length > 0 && texts.every((text) => typeof text === "string") ? texts : undefined
}
