/**
 * What the control plane refuses, one class for each error of Lambda's. The text is the service's that refuses, who knows
 * the names in it; statuses and headers are the gateway's.
 */
import { Schema } from "effect"

/** A request that follows the model and still makes no sense. */
export class InvalidParameterValue extends Schema.TaggedError<InvalidParameterValue>()("InvalidParameterValue", {
  detail: Schema.String,
  /** Some of these answers are without their `Type`. */
  isUntyped: Schema.optionalKey(Schema.Boolean)
}) {
  override get message() {
    return this.detail
  }
}

/** It exists already, or is being changed by somebody else. */
export class ResourceConflict extends Schema.TaggedError<ResourceConflict>()("ResourceConflict", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export class ResourceNotFound extends Schema.TaggedError<ResourceNotFound>()("ResourceNotFound", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The caller's revision id is not the latest one. */
export class PreconditionFailed extends Schema.TaggedError<PreconditionFailed>()("PreconditionFailed", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export class ProvisionedConcurrencyConfigNotFound extends Schema.TaggedError<ProvisionedConcurrencyConfigNotFound>()(
  "ProvisionedConcurrencyConfigNotFound",
  {}
) {
  override get message() {
    return "No Provisioned Concurrency Config found for this function"
  }
}

export class CodeSigningConfigNotFound extends Schema.TaggedError<CodeSigningConfigNotFound>()(
  "CodeSigningConfigNotFound",
  { arn: Schema.String }
) {
  override get message() {
    return `The code signing configuration cannot be found. Check that the provided configuration is not deleted: ${this.arn}.`
  }
}

/** The code, zipped, or the whole request. */
export class RequestTooLarge extends Schema.TaggedError<RequestTooLarge>()("RequestTooLarge", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

export class PolicyLengthExceeded extends Schema.TaggedError<PolicyLengthExceeded>()("PolicyLengthExceeded", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The functions' code together is more than an account may have. */
export class CodeStorageExceeded extends Schema.TaggedError<CodeStorageExceeded>()("CodeStorageExceeded", {}) {
  override get message() {
    return "Code storage limit exceeded."
  }
}

export type Refusal =
  | InvalidParameterValue
  | ResourceConflict
  | ResourceNotFound
  | PreconditionFailed
  | ProvisionedConcurrencyConfigNotFound
  | RequestTooLarge
  | PolicyLengthExceeded
  | CodeStorageExceeded
  | CodeSigningConfigNotFound
