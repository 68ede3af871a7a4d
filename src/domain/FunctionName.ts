/** The name of a function, and the forms under which callers may ask for it: name, partial ARN, ARN. */
import { Schema } from "effect"

/** What a function is called: 1 to 64 letters, digits, `-` or `_`. */
export const FunctionName = Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9-_]{1,64}$/u)).pipe(
  Schema.brand("FunctionName")
)
export type FunctionName = typeof FunctionName.Type

/** A version number, `$LATEST`, or the name of an alias. */
export type Qualifier = string

/** Whose functions these are: the two fields of an ARN that are the same for all of them. */
export interface Owner {
  readonly region: string
  /** Twelve digits. */
  readonly accountId: string
}

export const functionArn = (owner: Owner, name: string, qualifier?: Qualifier): string =>
  `arn:aws:lambda:${owner.region}:${owner.accountId}:function:${name}${qualifier === undefined ? "" : `:${qualifier}`}`
