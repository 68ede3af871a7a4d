/** Parameters that break the API model's pattern, range or enum, told in the words of Lambda's `ValidationException`. */
import { Schema } from "effect"

/** Of a value that a refusal repeats, since a caller may have given megabytes. */
const maxShown = 1024

/** `text` up to `length`, and what is left out said. */
export const excerpt = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length)}... (${text.length} characters)`

export const Violation = Schema.Struct({
  /** As the caller gave it; null where it is missing. */
  value: Schema.NullOr(Schema.String),
  /** Lower camel case: `functionName`. */
  field: Schema.String,
  /** `Member must …` */
  constraint: Schema.String
})
export type Violation = typeof Violation.Type

export class ParametersInvalid extends Schema.TaggedError<ParametersInvalid>()("ParametersInvalid", {
  /** At least one, in the order in which they are told. */
  violations: Schema.Array(Violation)
}) {
  override get message() {
    const texts = this.violations.map(
      ({ value, field, constraint }) =>
        `Value ${value === null ? "null" : `'${excerpt(value, maxShown)}'`} at '${field}' failed to satisfy constraint: ${constraint}`
    )
    return `${texts.length} validation error${texts.length === 1 ? "" : "s"} detected: ${texts.join("; ")}`
  }
}
