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
