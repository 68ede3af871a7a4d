/**
 * What CloudFormation's functions make of a template's values on this machine: `Ref`, `Fn::Sub`, conditions and the
 * others. What a name stands for that is no parameter is asked of whoever knows the resources.
 *
 * A value that cannot be known here is no value: it is left out of the list or record it is in, and a text with it in
 * it is none either. Why, is said to `Remarks`.
 */

import { isRecord } from "../domain/json.ts"
import type { Path } from "./parseTemplate.ts"

export interface Remarks {
  /** This cannot be known or done here; the rest goes on without it. */
  readonly warn: (path: Path, detail: string) => void
  /** The template is wrong: CloudFormation would not take it. */
  readonly refuse: (path: Path, detail: string) => void
}

/** What a name leads to; `unknown` is one that the template does not have. */
export type Known =
  | { readonly _tag: "Value"; readonly value: unknown }
  | { readonly _tag: "Unknowable"; readonly detail: string }
  | { readonly _tag: "Unknown" }

export const value = (known: unknown): Known => ({ _tag: "Value", value: known })
export const unknowable = (detail: string): Known => ({ _tag: "Unknowable", detail })
export const unknown: Known = { _tag: "Unknown" }

export interface Names {
  /** Of a parameter, a pseudo parameter or a resource. `AWS::NoValue` is not asked for. */
  readonly ref: (name: string) => Known
  readonly attribute: (resource: string, attribute: string) => Known
  readonly mappings: unknown
  readonly conditions: unknown
  readonly region: string
}

export interface Intrinsics {
  /** `value` with everything in it resolved; undefined where it is no value. */
  readonly resolve: (value: unknown, path: Path, remarks: Remarks) => unknown
  /** Of the section `Conditions`, by name. */
  readonly condition: (name: string, path: Path, remarks: Remarks) => boolean
}

/** The name and the argument, where `value` is a function's call. */
export const callOf = (given: unknown): readonly [name: string, argument: unknown] | undefined => {
  if (!isRecord(given)) return undefined
  const [entry, ...others] = Object.entries(given)
  if (entry === undefined || others.length > 0) return undefined
  return entry[0] === "Ref" || entry[0].startsWith("Fn::") ? entry : undefined
}

/** What cannot be known here; `undefined` is what the template leaves out on purpose, by `AWS::NoValue`. */
const unresolved = Symbol("unresolved")

const isValue = (given: unknown): boolean => given !== undefined && given !== unresolved

export const makeIntrinsics = (names: Names): Intrinsics => {
  const decided = new Map<string, boolean>()
  const deciding = new Set<string>()

  const condition = (name: string, path: Path, remarks: Remarks): boolean => {
    const known = decided.get(name)
    if (known !== undefined) return known
    const expression = isRecord(names.conditions) ? names.conditions[name] : undefined
    if (expression === undefined) {
      remarks.refuse(path, `there is no condition ${name}`)
      return false
    }
    if (deciding.has(name)) {
      remarks.refuse(path, `the condition ${name} depends on itself`)
      return false
    }
    deciding.add(name)
    const outcome = decide(expression, ["Conditions", name], remarks)
    deciding.delete(name)
    decided.set(name, outcome)
    return outcome
  }

  const decide = (expression: unknown, path: Path, remarks: Remarks): boolean => {
    if (typeof expression === "boolean") return expression
    if (isRecord(expression) && typeof expression.Condition === "string") {
      return condition(expression.Condition, path, remarks)
    }
    const [name, argument] = callOf(expression) ?? []
    const operands = Array.isArray(argument) ? argument : []
    const one = (index: number) => decide(operands[index], [...path, name ?? "", index], remarks)
    switch (name) {
      case "Fn::Equals": {
        const [left, right] = operands.map((operand, index) => evaluate(operand, [...path, name, index], remarks))
        return left !== unresolved && right !== unresolved && textOf(left) === textOf(right)
      }
      case "Fn::And":
        return operands.every((_, index) => one(index))
      case "Fn::Or":
        return operands.some((_, index) => one(index))
      case "Fn::Not":
        return !one(0)
      default:
        remarks.refuse(path, "this is no condition")
        return false
    }
  }

  const evaluate = (given: unknown, path: Path, remarks: Remarks): unknown => {
    if (Array.isArray(given)) {
      return given.map((item, index) => evaluate(item, [...path, index], remarks)).filter(isValue)
    }
    if (!isRecord(given)) return typeof given === "string" ? withoutReference(given, path, remarks) : given
    const call = callOf(given)
    if (call !== undefined) return apply(call[0], call[1], [...path, call[0]], remarks)
    return Object.fromEntries(
      Object.entries(given)
        .map(([key, item]) => [key, evaluate(item, [...path, key], remarks)] as const)
        .filter(([, item]) => isValue(item))
    )
  }

  const take = (known: Known, what: string, path: Path, remarks: Remarks): unknown => {
    switch (known._tag) {
      case "Value":
        return known.value
      case "Unknowable":
        remarks.warn(path, known.detail)
        return unresolved
      case "Unknown":
        remarks.refuse(path, `there is no ${what} in the template`)
        return unresolved
    }
  }

  const ref = (name: string, path: Path, remarks: Remarks): unknown =>
    name === "AWS::NoValue" ? undefined : take(names.ref(name), name, path, remarks)

  const attributeOf = (text: string, path: Path, remarks: Remarks): unknown => {
    const [, resource = text, attribute = ""] = /^([^.]+)\.(.+)$/.exec(text) ?? []
    return take(names.attribute(resource, attribute), `${resource} with an attribute ${attribute}`, path, remarks)
  }

  /** Each `${Name}` and `${Resource.Attribute}`; `${!Name}` stands for itself without the mark. */
  const substitute = (text: string, own: Readonly<Record<string, unknown>>, path: Path, remarks: Remarks) => {
    let isWhole = true
    const made = text.replace(/\$\{([^}]*)\}/g, (_, inner: string) => {
      if (inner.startsWith("!")) return `\${${inner.slice(1)}}`
      const name = inner.trim()
      const found = Object.hasOwn(own, name)
        ? own[name]
        : name.includes(".") && !name.startsWith("AWS::")
          ? attributeOrRef(name, path, remarks)
          : ref(name, path, remarks)
      const part = textOf(found)
      if (part === undefined) isWhole = false
      return part ?? ""
    })
    return isWhole ? made : unresolved
  }

  /** SAM gives names like `Function.Alias` to what it makes beside a resource. */
  const attributeOrRef = (name: string, path: Path, remarks: Remarks): unknown => {
    const known = names.ref(name)
    return known._tag === "Unknown" ? attributeOf(name, path, remarks) : take(known, name, path, remarks)
  }

  const apply = (name: string, argument: unknown, path: Path, remarks: Remarks): unknown => {
    const wrong = (expected: string) => {
      remarks.refuse(path, `${name} expects ${expected}`)
      return unresolved
    }
    switch (name) {
      case "Ref":
        return typeof argument === "string" ? ref(argument, path, remarks) : wrong("a name")
      case "Fn::GetAtt": {
        const parts = Array.isArray(argument)
          ? argument.map((part, index) => textOf(evaluate(part, [...path, index], remarks)))
          : [textOf(argument)]
        return parts.length === 0 || parts.includes(undefined)
          ? wrong("a resource and an attribute")
          : attributeOf(parts.join("."), path, remarks)
      }
      case "Fn::Sub": {
        if (typeof argument === "string") return substitute(argument, {}, path, remarks)
        const [text, own] = Array.isArray(argument) ? argument : []
        if (typeof text !== "string" || !isRecord(own)) return wrong("a text, or a text and values by their names")
        const values = Object.entries(own).map(([key, item]) => [key, evaluate(item, [...path, 1, key], remarks)])
        return substitute(text, Object.fromEntries(values), path, remarks)
      }
      case "Fn::Join": {
        const [delimiter, list] = Array.isArray(argument) ? argument : []
        if (typeof delimiter !== "string") return wrong("a delimiter and a list")
        const items = Array.isArray(list)
          ? list.map((item, index) => evaluate(item, [...path, 1, index], remarks))
          : evaluate(list, [...path, 1], remarks)
        if (items === unresolved) return unresolved
        if (!Array.isArray(items)) return wrong("a delimiter and a list")
        const texts = items.filter((item) => item !== undefined).map(textOf)
        return texts.includes(undefined) ? unresolved : texts.join(delimiter)
      }
      case "Fn::Split": {
        const [delimiter, text] = Array.isArray(argument) ? argument : []
        if (typeof delimiter !== "string" || delimiter === "") return wrong("a delimiter and a text")
        return textOf(evaluate(text, [...path, 1], remarks))?.split(delimiter) ?? unresolved
      }
      case "Fn::Select": {
        const [index, list] = Array.isArray(argument) ? argument : []
        const at = Number(evaluate(index, [...path, 0], remarks))
        const items = evaluate(list, [...path, 1], remarks)
        if (items === unresolved) return unresolved
        if (!Array.isArray(items) || !Number.isInteger(at)) return wrong("an index and a list")
        if (at < 0 || at >= items.length) return wrong(`an index below ${items.length}, not ${at}`)
        return items[at]
      }
      case "Fn::If": {
        const [name, whenTrue, whenFalse] = Array.isArray(argument) ? argument : []
        if (typeof name !== "string") return wrong("a condition's name and two values")
        const holds = condition(name, path, remarks)
        return evaluate(holds ? whenTrue : whenFalse, [...path, holds ? 1 : 2], remarks)
      }
      case "Fn::FindInMap":
        return findInMap(argument, path, remarks)
      case "Fn::Base64": {
        const text = textOf(evaluate(argument, path, remarks))
        return text === undefined ? unresolved : Buffer.from(text).toString("base64")
      }
      case "Fn::GetAZs": {
        const region = textOf(evaluate(argument, path, remarks))
        return ["a", "b", "c"].map((zone) => `${region === undefined || region === "" ? names.region : region}${zone}`)
      }
      case "Fn::Length": {
        const items = evaluate(argument, path, remarks)
        if (items === unresolved) return unresolved
        return Array.isArray(items) ? items.length : wrong("a list")
      }
      case "Fn::ToJsonString":
        return JSON.stringify(evaluate(argument, path, remarks)) ?? unresolved
      case "Fn::And":
      case "Fn::Equals":
      case "Fn::Not":
      case "Fn::Or":
        return decide({ [name]: argument }, path.slice(0, -1), remarks)
      case "Fn::ImportValue":
        remarks.warn(path, "Fn::ImportValue: what other stacks export is not known here; left out")
        return unresolved
      default:
        remarks.warn(path, `${name} is not known here; left out`)
        return unresolved
    }
  }

  const findInMap = (argument: unknown, path: Path, remarks: Remarks): unknown => {
    const [map, top, second, otherwise] = Array.isArray(argument) ? argument : []
    const keys = [map, top, second].map((key, index) => textOf(evaluate(key, [...path, index], remarks)))
    let found: unknown = names.mappings
    for (const key of keys) found = isRecord(found) && key !== undefined ? found[key] : undefined
    if (found !== undefined) return found
    if (isRecord(otherwise) && Object.hasOwn(otherwise, "DefaultValue")) {
      return evaluate(otherwise.DefaultValue, [...path, 3, "DefaultValue"], remarks)
    }
    remarks.refuse(path, `Fn::FindInMap: the mappings have no ${keys.map((key) => key ?? "?").join(".")}`)
    return unresolved
  }

  /** Dynamic references are looked up by CloudFormation alone. */
  const withoutReference = (text: string, path: Path, remarks: Remarks): unknown => {
    const reference = /\{\{resolve:[^}]+\}\}/.exec(text)?.[0]
    if (reference === undefined) return text
    remarks.warn(path, `${reference} cannot be looked up here; left out`)
    return unresolved
  }

  return {
    resolve: (given, path, remarks) => {
      const found = evaluate(given, path, remarks)
      return found === unresolved ? undefined : found
    },
    condition
  }
}

/** As CloudFormation writes a value into a text. */
export const textOf = (given: unknown): string | undefined => {
  if (typeof given === "string") return given
  if (typeof given === "number" || typeof given === "boolean") return String(given)
  return Array.isArray(given) && given.every((item) => typeof item === "string") ? given.join(",") : undefined
}
