/** The program: settings, layers, apps, a listener, and a way out when a signal comes. */
import process from "node:process"
import { Cause, Effect, Exit, Layer, ManagedRuntime, Option, Scope } from "effect"
import { type AnyElysia, Elysia } from "elysia"
import { code } from "../plugins/control/code.ts"
import type { ControlServices } from "../plugins/control/handlers.ts"
import { control } from "../plugins/control/index.ts"
import { type DocumentedApi, docs } from "../plugins/docs/index.ts"
import { gatewayDescription } from "../plugins/gateway/description.ts"
import { type DirectNeeds, direct } from "../plugins/gateway/direct.ts"
import { functionUrl } from "../plugins/gateway/functionUrl.ts"
import { type GatewayOptions, type GatewayServices, gateway } from "../plugins/gateway/index.ts"
import { managerDescription } from "../plugins/manager/description.ts"
import { isManagerPath, type ManagerServices, manager } from "../plugins/manager/index.ts"
import { isLoopback, loadSettings, type Settings } from "./Config.ts"
import type { CodeLinks } from "./control/CodeLinks.ts"
import { latest } from "./control/FunctionRecord.ts"
import { FunctionStore } from "./control/FunctionStore.ts"
import { forgetStart } from "./forgetStart.ts"
import { greeting } from "./greeting.ts"
import type { Direct } from "./http/HttpServer.ts"
import { listen } from "./http/NetHttpServer.ts"
import { withoutRoot } from "./http/rootPath.ts"
import { certificateFiles, developmentCertificate, developmentCertificatePath } from "./http/ServerCertificate.ts"
import { AsyncInvoker } from "./invoke/AsyncInvoker.ts"
import { layerAll, layerGateway, layerManager, managerTokenOf, ownerOf } from "./layers.ts"
import * as Log from "./log/Log.ts"
import { Placements } from "./provision/Placements.ts"
import { FunctionRegistry } from "./registry/FunctionRegistry.ts"
import { RouteTable } from "./routing/RouteTable.ts"
import { openStateFolder, type StateFolder } from "./StateFolder.ts"
import { sourcesOf } from "./templateLayers.ts"

/** More than any limit of Lambda's, so that what is too large is refused in Lambda's words. */
const maxBodyBytes = 80 * 1024 * 1024

type Runtime<R> = ManagedRuntime.ManagedRuntime<R, never>

/** What answers without the app whose `routes` these are. */
type DirectOf = (
  routes: ReadonlyArray<{ readonly path: string }>
) => Effect.Effect<Direct | undefined, never, Scope.Scope>

const noDirect: DirectOf = () => Effect.succeed(undefined)

/** The runtime and the app of a role. Each is built once; the runtime ends with the scope. */
const compose = Effect.fnUntraced(function* (settings: Settings, state: StateFolder) {
  const log = Log.layer({
    stream: process.stdout,
    format: settings.logFormat,
    level: settings.logLevel
  })
  const owner = ownerOf(settings)
  const gatewayOptions: GatewayOptions = {
    owner,
    maxPayloadBytes: settings.maxPayloadBytes,
    maxEventBytes: settings.maxEventBytes,
    ...(Option.isSome(settings.apiKey) ? { apiKey: settings.apiKey.value } : {}),
    isForeign: isManagerPath,
    proxies: settings.trustedProxies,
    ...(settings.signIn === undefined ? {} : { signInPath: settings.signIn.path })
  }
  const gatewayApi = (runtime: Runtime<GatewayServices | ControlServices | CodeLinks>): DocumentedApi => ({
    name: "gateway",
    title: "Lambda API",
    app: gateway(runtime, gatewayOptions)
      .use(control(runtime, { owner }))
      .use(code(runtime, owner))
      .use(
        functionUrl(runtime, {
          owner,
          maxPayloadBytes: settings.maxPayloadBytes,
          credentials: settings.credentials,
          proxies: settings.trustedProxies
        })
      ),
    description: gatewayDescription
  })
  const managerApi = (runtime: Runtime<ManagerServices>): DocumentedApi => ({
    name: "manager",
    title: "Manager",
    app: manager(runtime, { token: managerTokenOf(settings, state), besideGateway: settings.role === "all" }),
    description: managerDescription
  })
  // Under a root, no path is as it is written.
  const directOf = (runtime: Runtime<DirectNeeds>): DirectOf =>
    settings.rootPath === "" ? (routes) => direct(runtime, gatewayOptions, routes) : noDirect
  switch (settings.role) {
    case "all": {
      const runtime = yield* build(Layer.provideMerge(layerAll(settings, state), log))
      return { runtime, apis: [gatewayApi(runtime), managerApi(runtime)], direct: directOf(runtime) }
    }
    case "gateway": {
      const runtime = yield* build(Layer.provideMerge(layerGateway(settings, state), log))
      return { runtime, apis: [gatewayApi(runtime)], direct: directOf(runtime) }
    }
    case "manager": {
      const runtime = yield* build(Layer.provideMerge(layerManager(settings, state), log))
      return { runtime, apis: [managerApi(runtime)], direct: noDirect }
    }
  }
})

/** Builds every layer now, so that what fails fails before anything listens. */
const build = <R, E>(layer: Layer.Layer<R, E>) =>
  Effect.map(Layer.build(layer), (context) => ManagedRuntime.make(Layer.succeedContext(context)))

/** Starts everything; all of it ends with the scope. */
const start = Effect.fnUntraced(function* (settings: Settings) {
  const roles = settings.role === "all" ? (["gateway", "manager"] as const) : [settings.role]
  const state = yield* openStateFolder(settings.stateDir, roles)
  const { apis, direct, runtime } = yield* compose(settings, state)
  const hasDocs = isLoopback(settings.host)
  const app = apis.reduce<AnyElysia>(
    (whole, api) => whole.use(api.app),
    hasDocs ? new Elysia().use(docs(apis, settings.rootPath)) : new Elysia()
  )
  // What changes later is said in the log, which is the runtime's.
  const context = yield* Effect.promise(() => runtime.runPromise(Effect.context<never>()))
  const certificate = yield* Effect.provideContext(certificateOf(settings, state), context)
  const answer = yield* direct(app.routes)
  // Before anybody may wait for it: it takes a few hundredths of a second.
  yield* Effect.promise(forgetStart)
  const server = yield* listen({
    host: settings.host,
    port: settings.port,
    maxBodyBytes,
    fetch: withoutRoot(settings.rootPath, app.fetch),
    ...(answer === undefined ? {} : { direct: answer }),
    ...(certificate === undefined ? {} : { certificate })
  })
  yield* Effect.promise(() => runtime.runPromise(greet(settings, state, server.port, hasDocs)))
  return { server, runtime }
})

/** What HTTPS is served with, if it is. */
const certificateOf = (settings: Settings, state: StateFolder) => {
  const { functionUrlDomain, host, region, tls, tlsCert, tlsKey } = settings
  if (Option.isSome(tlsCert) && Option.isSome(tlsKey)) {
    return certificateFiles({ cert: tlsCert.value, key: tlsKey.value })
  }
  if (tls === "off") return Effect.void
  const domain = functionUrlDomain.replace(/^https?:\/\//, "").replace(/[:/].*$/, "")
  const hosts = [host, `*.lambda-url.${region}.${domain}`, `*.execute-api.${region}.${domain}`]
  return developmentCertificate({ folder: state.path, hosts })
}

/** HTTP APIs, where this process serves any. */
const routedApis = Effect.flatMap(Effect.serviceOption(RouteTable), (table) =>
  Option.isNone(table) ? Effect.succeed([]) : table.value.apis
)

const greet = Effect.fnUntraced(function* (settings: Settings, state: StateFolder, port: number, hasDocs: boolean) {
  const registry = yield* Effect.serviceOption(FunctionRegistry)
  const placements = yield* Effect.serviceOption(Placements)
  const store = yield* Effect.serviceOption(FunctionStore)
  const configs = Option.isSome(registry) ? yield* registry.value.list : []
  const functions = yield* Effect.forEach(
    configs.filter(({ version }) => version === latest),
    Effect.fnUntraced(function* (config) {
      const isStored = Option.isSome(store) && store.value.versions(config.name) !== undefined
      if (Option.isNone(placements)) return { config, isStored }
      return { config, isStored, placement: yield* placements.value.placement(config) }
    })
  )
  const lines = greeting({
    url: `${settings.tls === "off" && Option.isNone(settings.tlsCert) ? "http" : "https"}://${settings.host.includes(":") ? `[${settings.host}]` : settings.host}:${port}`,
    ...(settings.tls === "development" ? { certificate: developmentCertificatePath(state.path) } : {}),
    role: settings.role,
    docs: hasDocs,
    needsKey: Option.isSome(settings.apiKey),
    functions,
    functionsDir: sourcesOf(settings).join(" and "),
    apis: yield* routedApis
  })
  if (settings.logFormat === "json") for (const line of lines) yield* Effect.logInfo(line.trim())
  else (yield* Log.PlainText)(lines.join("\n"))
})

/** What stopped the start, in one line: everything expected has one. A bug keeps its stack, for whoever mends it. */
const explain = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (!(error instanceof Error)) return String(error)
  return "_tag" in error ? error.message : (error.stack ?? error.message)
}

/** Resolves at the first SIGTERM or SIGINT. Whoever sends a second one does not want to wait. */
const stopSignal = () =>
  new Promise<void>((stop) => {
    let stopping = false
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (stopping) process.exit(130)
        stopping = true
        stop()
      })
    }
  })

/** Asynchronous events, where this process has any. */
const drainEvents = Effect.flatMap(Effect.serviceOption(AsyncInvoker), (async) =>
  Option.isNone(async) ? Effect.void : async.value.drain
)

/** Runs until a signal comes, and answers with the exit code. */
export const main = async (): Promise<number> => {
  const stopped = stopSignal()
  const scope = Scope.makeUnsafe()
  const abandon = new AbortController()
  const program = Effect.flatMap(loadSettings(), (settings) =>
    Effect.map(start(settings), (started) => ({ ...started, settings }))
  )
  const starting = Effect.runPromiseExit(Scope.provide(program, scope), { signal: abandon.signal })
  void stopped.then(() => abandon.abort())
  const started = await starting
  if (Exit.isSuccess(started)) {
    const { runtime, server, settings } = started.value
    await stopped
    const drained = Effect.timeoutOption(
      Effect.all([server.drain, drainEvents], { concurrency: "unbounded" }),
      settings.shutdownTimeout
    )
    const inTime = await runtime.runPromise(drained)
    if (Option.isNone(inTime)) await runtime.runPromise(Effect.logWarning("Running invocations were cut off"))
  } else if (!Cause.hasInterruptsOnly(started.cause)) {
    process.stderr.write(`irori: ${explain(started.cause)}\n`)
  }
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return Exit.isSuccess(started) || Cause.hasInterruptsOnly(started.cause) ? 0 : 1
}

if (import.meta.main) process.exit(await main())
