/** What the program says of itself when it has started: a few lines that a person likes to read. */
import type { FunctionConfig } from "./domain/FunctionConfig.ts"
import type { Api } from "./domain/Route.ts"
import type { Placement } from "./provision/Placements.ts"

export interface PlacedFunction {
  readonly config: FunctionConfig
  readonly placement?: Placement
  /** It was made through the API, and is in no folder. */
  readonly isStored?: boolean
}

export interface Greeting {
  /** `http://127.0.0.1:3000` */
  readonly url: string
  readonly role: "all" | "gateway" | "manager"
  readonly docs: boolean
  /** Sent by callers, if the gateway asks for one. */
  readonly needsKey: boolean
  readonly functions: ReadonlyArray<PlacedFunction>
  readonly functionsDir: string
  /** The file of a certificate that nobody trusts yet. */
  readonly certificate?: string
  /** HTTP APIs that are served. By default none. */
  readonly apis?: ReadonlyArray<Api>
}

/** One line each. */
export const greeting = (about: Greeting): ReadonlyArray<string> => {
  if (about.role === "manager") return [`Irori's manager listens on ${about.url}, for gateways that have its token.`]
  return [
    `Irori listens on ${about.url}${about.docs ? `, and explains itself at ${about.url}/docs` : ""}.`,
    ...trustLines(about),
    ...functionLines(about),
    ...curlLines(about),
    ...routeLines(about)
  ]
}

const trustLines = ({ certificate }: Greeting): ReadonlyArray<string> =>
  certificate === undefined
    ? []
    : [
        "Its certificate is its own. To trust it: curl --cacert, NODE_EXTRA_CA_CERTS=, AWS_CA_BUNDLE= or the browser, with",
        `  ${certificate}`
      ]

const functionLines = ({ functions, functionsDir }: Greeting): ReadonlyArray<string> => {
  const stored = functions.filter(({ isStored }) => isStored === true)
  const ofFiles = functions.filter(({ isStored }) => isStored !== true)
  const empty = `There are no functions in ${functionsDir}: put a folder with an index.mjs there, or set IRORI_FUNCTIONS_DIR.`
  return [
    ...(ofFiles.length === 0 ? [empty] : [`Functions in ${functionsDir}:`, ...table(ofFiles)]),
    ...(stored.length === 0 ? [] : ["Functions made through the API:", ...table(stored)]),
    ...reasons(functions)
  ]
}

const table = (functions: ReadonlyArray<PlacedFunction>): ReadonlyArray<string> => {
  const width = Math.max(...functions.map(({ config }) => config.name.length))
  return functions.map(({ config, placement }) => {
    const what = config.code._tag === "CodeImage" ? config.code.uri : config.runtime
    return `  ${config.name.padEnd(width)}  ${(what ?? "").padEnd(15)} ${placement?.provisioner ?? ""}`.trimEnd()
  })
}

/** Each reason once, with the functions it holds for where it does not hold for all. */
const reasons = (functions: ReadonlyArray<PlacedFunction>): ReadonlyArray<string> => {
  const byReason = new Map<string, { readonly placement: Placement; readonly names: Array<string> }>()
  for (const { config, placement } of functions) {
    if (placement === undefined) continue
    const reason = byReason.get(placement.why) ?? { placement, names: [] }
    reason.names.push(config.name)
    byReason.set(placement.why, reason)
  }
  return [...byReason.values()].flatMap(({ names, placement }) => [
    `${inWords[placement.provisioner]}${byReason.size === 1 ? "" : ` (${names.join(", ")})`}: ${placement.why}.`,
    `  To change it: ${placement.howToChange}.`
  ])
}

const inWords = { docker: "In containers", process: "As processes of this machine" } satisfies Record<
  Placement["provisioner"],
  string
>

/** A route that can be tried as it is: nobody is asked for, and nothing is sent. */
const routeLines = ({ apis = [], url }: Greeting): ReadonlyArray<string> => {
  for (const { gatekeeper, mounts, routes, stage } of apis) {
    const open = routes.find(
      ({ authorizer, method, path }) => method === "GET" && path !== "$default" && authorizer === undefined
    )
    if (open === undefined || gatekeeper !== undefined) continue
    const prefix = mounts.includes("root") || stage === "$default" ? "" : `/${stage}`
    return [`  curl ${url}${prefix}${open.path.replaceAll(/\{([^}+]+)\+?\}/g, "$1")}`]
  }
  return []
}

const curlLines = ({ certificate, functions, needsKey, url }: Greeting): ReadonlyArray<string> => {
  const first = functions.find(({ config }) => config.name === "echo") ?? functions[0]
  if (first === undefined) return []
  const key = `${needsKey ? ' -H "x-api-key: $IRORI_API_KEY"' : ""}${certificate === undefined ? "" : ` --cacert ${certificate}`}`
  return ["Try it:", `  curl${key} ${url}/2015-03-31/functions/${first.config.name}/invocations -d '{"hello":"world"}'`]
}
