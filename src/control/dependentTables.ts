/** Tables whose rows belong to a function, by their column `function`: they go when it does. */
export const dependentTables: ReadonlyArray<string> = [
  "reserved_concurrency",
  "provisioned_concurrency",
  "tags",
  "function_urls",
  "policies",
  "recursion_configs",
  "runtime_management",
  "event_invoke_configs"
]

/**
 * Those of them whose rows belong to one qualifier, by their column `qualifier`, and go with that version or alias. The
 * URL of an alias stays, and refuses everybody (`LAMBDA-CONTRACT.md` section 11.2).
 */
export const qualifiedTables: ReadonlyArray<string> = ["event_invoke_configs"]
