/** Parameters that break the API model's pattern, range or enum, told in the words of Lambda's `ValidationException`. */
import { Schema } from "effect"

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
        `Value ${value === null ? "null" : `'${value}'`} at '${field}' failed to satisfy constraint: ${constraint}`
    )
    return `${texts.length} validation error${texts.length === 1 ? "" : "s"} detected: ${texts.join("; ")}`
  }
}
