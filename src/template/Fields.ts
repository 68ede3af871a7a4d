/** A record of a template, resolved, read field by field: what has the wrong type is refused, where it stands. */

import { isRecord } from "../domain/json.ts"
import { type Remarks, textOf } from "./Intrinsics.ts"
import type { Path } from "./parseTemplate.ts"

export class Fields {
  readonly values: Readonly<Record<string, unknown>>
  readonly path: Path
  readonly remarks: Remarks

  constructor(values: Readonly<Record<string, unknown>>, path: Path, remarks: Remarks) {
    this.values = values
    this.path = path
    this.remarks = remarks
  }

  has(key: string): boolean {
    return this.values[key] !== undefined && this.values[key] !== null
  }

  at(key: string): Path {
    return [...this.path, key]
  }

  warn(key: string, detail: string): void {
    this.remarks.warn(this.at(key), detail)
  }

  text(key: string): string | undefined {
    const found = textOf(this.values[key])
    if (found === undefined && this.has(key)) this.#refuse(key, "Expected a text")
    return found
  }

  /** A whole number within these bounds, or the text of one. */
  whole(key: string, minimum: number, maximum: number): number | undefined {
    if (!this.has(key)) return undefined
    const given = this.values[key]
    const found = typeof given === "string" && given.trim() !== "" ? Number(given) : given
    if (typeof found === "number" && Number.isInteger(found) && found >= minimum && found <= maximum) return found
    this.#refuse(key, `Expected a whole number between ${minimum} and ${maximum}`)
    return undefined
  }

  flag(key: string): boolean | undefined {
    const given = this.values[key]
    if (given === true || given === "true" || given === "True") return true
    if (given === false || given === "false" || given === "False") return false
    if (this.has(key)) this.#refuse(key, "Expected true or false")
    return undefined
  }

  choice<const C extends string>(key: string, choices: ReadonlyArray<C>): C | undefined {
    const given = this.text(key)
    const found = choices.find((choice) => choice === given)
    if (given !== undefined && found === undefined) this.#refuse(key, `Expected one of ${choices.join(", ")}`)
    return found
  }

  /** A single text is a list of one. */
  texts(key: string): ReadonlyArray<string> | undefined {
    if (!this.has(key)) return undefined
    const given = this.values[key]
    const texts = (Array.isArray(given) ? given : [given]).map(textOf)
    if (texts.every((text) => text !== undefined)) return texts
    this.#refuse(key, "Expected a list of texts")
    return undefined
  }

  record(key: string): Fields | undefined {
    const given = this.values[key]
    if (isRecord(given)) return new Fields(given, this.at(key), this.remarks)
    if (this.has(key)) this.#refuse(key, "Expected names and values")
    return undefined
  }

  /** Its entries, each a record; what is none is refused. */
  records(): ReadonlyArray<readonly [key: string, fields: Fields]> {
    return Object.keys(this.values).flatMap((key) => {
      const fields = this.record(key)
      return fields === undefined ? [] : [[key, fields] as const]
    })
  }

  #refuse(key: string, detail: string): void {
    this.remarks.refuse(this.at(key), `${key}: ${detail}`)
  }
}
