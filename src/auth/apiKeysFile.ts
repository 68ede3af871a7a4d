/**
 * Reads the file of API keys and usage plans. What is wrong with it is said without its values, which are secrets.
 *
 *     keys:
 *       - { name: shop, value: 3f1c…, plans: [basic] }    # also: id, enabled
 *     plans:
 *       basic: { rate: 10, burst: 20, quota: { limit: 1000, period: DAY }, stages: [abc123/prod, test] }
 *
 * A key without `plans` is good for every stage, without limits; one with plans for the stages of these, and a plan
 * without `stages` is for all. `rate` is calls a second, `burst` the calls that may come at once.
 */
import { createHash } from "node:crypto"
import { parseDocument } from "yaml"

export type QuotaPeriod = "DAY" | "WEEK" | "MONTH"

export interface UsagePlan {
  readonly name: string
  /** Of each key by itself. */
  readonly throttle?: { readonly rate: number; readonly burst: number }
  readonly quota?: { readonly limit: number; readonly period: QuotaPeriod }
  /** `<api id>/<stage>` or `<stage>`; absent, all. */
  readonly stages?: ReadonlyArray<string>
}

export interface ApiKey {
  readonly id: string
  readonly name: string
  readonly value: string
  /** Absent, the key is good everywhere. */
  readonly plans?: ReadonlyArray<UsagePlan>
}

/** Those that are enabled, by the digest of their value. */
export type ApiKeys = ReadonlyMap<string, ApiKey>

export const digestOf = (value: string): string => createHash("sha256").update(value).digest("base64")

/** The keys, or one line that says why none of the file can be used. */
export const readApiKeys = (text: string, fileName: string): ApiKeys | string => {
  const document = parseDocument(text, { prettyErrors: false })
  const error = document.errors[0]
  // A parser's message may have a piece of the file in it.
  if (error !== undefined) return `${fileName} is no YAML that can be read: ${error.code} at character ${error.pos[0]}`
  try {
    const content: unknown = document.toJS() ?? {}
    const { keys, plans } = record(content, "the file", ["keys", "plans"])
    const named = new Map(
      Object.entries(record(plans ?? {}, "plans")).map(([name, given]) => [name, planOf(name, given)])
    )
    return keysOf(list(keys ?? [], "keys"), named)
  } catch (cause) {
    return `${fileName}: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

const keysOf = (entries: ReadonlyArray<unknown>, plans: ReadonlyMap<string, UsagePlan>): ApiKeys => {
  const found = new Map<string, ApiKey>()
  const ids = new Set<string>()
  for (const [index, entry] of entries.entries()) {
    const where = `keys.${index}`
    const given = record(entry, where, ["id", "name", "value", "enabled", "plans"])
    const name = text(given.name, `${where}.name`)
    const value = text(given.value, `${where}.value`)
    if (value.length < 20) throw new Error(`${where}.value: Expected at least 20 characters`)
    const id =
      given.id === undefined
        ? digestOf(`api key ${name}`).replaceAll(/\W/g, "").slice(0, 10)
        : text(given.id, `${where}.id`)
    if (ids.has(id)) throw new Error(`${where}: there is another key of this ${given.id === undefined ? "name" : "id"}`)
    ids.add(id)
    const digest = digestOf(value)
    if (found.has(digest)) throw new Error(`${where}.value: there is another key of this value`)
    const isEnabled = given.enabled ?? true
    if (typeof isEnabled !== "boolean") throw new Error(`${where}.enabled: Expected true or false`)
    const chosen = given.plans === undefined ? undefined : list(given.plans, `${where}.plans`)
    const own = chosen?.map((plan, at) => {
      const known = plans.get(text(plan, `${where}.plans.${at}`))
      if (known === undefined) throw new Error(`${where}.plans.${at}: there is no such plan`)
      return known
    })
    if (isEnabled) found.set(digest, { id, name, value, ...(own === undefined ? {} : { plans: own }) })
  }
  return found
}

const planOf = (name: string, entry: unknown): UsagePlan => {
  const where = `plans.${name}`
  const { burst, quota, rate, stages } = record(entry ?? {}, where, ["rate", "burst", "quota", "stages"])
  if (rate === undefined && burst !== undefined) throw new Error(`${where}.burst: Expected a rate beside it`)
  return {
    name,
    ...(rate === undefined ? {} : { throttle: throttleOf(rate, burst, where) }),
    ...(quota === undefined ? {} : { quota: quotaOf(quota, `${where}.quota`) }),
    ...(stages === undefined
      ? {}
      : { stages: list(stages, `${where}.stages`).map((stage, at) => text(stage, `${where}.stages.${at}`)) })
  }
}

const throttleOf = (rate: unknown, burst: unknown, where: string) => {
  const perSecond = number(rate, `${where}.rate`)
  // Without room for one call there would never be one.
  return {
    rate: perSecond,
    burst: Math.max(1, burst === undefined ? Math.ceil(perSecond) : number(burst, `${where}.burst`))
  }
}

const periods = ["DAY", "WEEK", "MONTH"] as const

const quotaOf = (entry: unknown, where: string) => {
  const given = record(entry, where, ["limit", "period"])
  const period = periods.find((one) => one === String(given.period).toUpperCase())
  if (period === undefined) throw new Error(`${where}.period: Expected one of ${periods.join(", ")}`)
  return { limit: Math.floor(number(given.limit, `${where}.limit`)), period }
}

const record = (value: unknown, where: string, keys?: ReadonlyArray<string>): Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${where}: Expected a mapping`)
  const stranger = keys === undefined ? undefined : Object.keys(value).find((key) => !keys.includes(key))
  if (stranger !== undefined) throw new Error(`${where}: the key ${stranger} is unknown`)
  return value as Readonly<Record<string, unknown>>
}

const list = (value: unknown, where: string): ReadonlyArray<unknown> => {
  if (!Array.isArray(value)) throw new Error(`${where}: Expected a list`)
  return value
}

const text = (value: unknown, where: string): string => {
  if (typeof value !== "string" || value === "") throw new Error(`${where}: Expected a text; numbers need quotes`)
  return value
}

const number = (value: unknown, where: string): number => {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0)
    throw new Error(`${where}: Expected a number from 0 up`)
  return value
}
