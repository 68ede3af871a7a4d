/** `$NAME` and `${NAME}` in settings, replaced after the file was parsed, so that a value cannot change its structure. */

const reference = /\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})/g

/** `$$` is a dollar sign; a name that `variables` does not have stays as it is. */
export const substitute = (text: string, variables: Readonly<Record<string, string>>): string =>
  text.replace(reference, (whole: string, dollar?: string, bare?: string, braced?: string) => {
    if (dollar !== undefined) return "$"
    const name = bare ?? braced
    return name !== undefined && Object.hasOwn(variables, name) ? (variables[name] ?? whole) : whole
  })

/** The same in every string inside `value`; keys stay. */
export const substituteAll = (value: unknown, variables: Readonly<Record<string, string>>): unknown => {
  if (typeof value === "string") return substitute(value, variables)
  if (Array.isArray(value)) return value.map((item) => substituteAll(item, variables))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substituteAll(item, variables)]))
}
