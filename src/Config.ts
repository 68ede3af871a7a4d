/**
 * Every setting: what it means, its unit, its default, its environment variable. The only file that reads the
 * environment. A value that cannot be used stops the start with one line that names the variable.
 */
import { availableParallelism, totalmem } from "node:os"
import process from "node:process"
import { Config, ConfigProvider, Duration, Effect, Option, Result, Schema } from "effect"
import type { SignInOptions } from "./auth/SignIn.ts"
import { type TrustedProxies, trustedProxies } from "./http/TrustedProxies.ts"
import { missedPolicies } from "./schedules/dueTimes.ts"
import { type Credentials, parseCredentials } from "./sigv4/Credentials.ts"

/** A setting has a value that cannot be used, or two settings contradict each other. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** A number of seconds, fractions allowed, from `least` up. */
const Seconds = (name: string, fallback: number, least = 0) =>
  Config.schema(Schema.FiniteFromString.check(Schema.isGreaterThanOrEqualTo(least)), name).pipe(
    Config.withDefault(fallback),
    Config.map(Duration.seconds)
  )

const Whole = (name: string, fallback: number, least = 1, most = Number.MAX_SAFE_INTEGER) =>
  Config.schema(
    Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: least, maximum: most })),
    name
  ).pipe(Config.withDefault(fallback))

const Text = (name: string, fallback: string) => Config.NonEmptyString(name).pipe(Config.withDefault(fallback))

const Choice = <const L extends ReadonlyArray<string>>(name: string, choices: L, fallback: L[number]) =>
  Config.Literals(choices, name).pipe(Config.withDefault(fallback))

const roles = ["all", "gateway", "manager"] as const
const provisioners = ["auto", "docker", "process"] as const
const pausers = ["auto", "engine"] as const
const tlsModes = ["off", "development"] as const
const logFormats = ["auto", "json", "pretty"] as const
const logLevels = ["DEBUG", "INFO", "WARN", "WARNING", "ERROR"] as const

const settings = Config.all({
  /** Which half runs in this process: `all` is both, without a hop between them. */
  role: Choice("IRORI_ROLE", roles, "all"),
  /** The address to listen on. Any but a loopback address needs `IRORI_API_KEY`. */
  host: Text("IRORI_HOST", "127.0.0.1"),
  /** TCP port, 0 for any free one; by default 3000, and 3001 for a manager of its own. */
  port: Config.option(
    Config.schema(
      Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 65535 })),
      "IRORI_PORT"
    )
  ),
  /**
   * Whether requests reach functions behind routes as their clients wrote them, which costs throughput: with `fast`,
   * names of headers are in lower case and several of one name are joined. `auto` is exact where there are routes at
   * the start.
   */
  /** Where clients see the paths behind a prefix: that prefix, as `/irori`. */
  rootPath: Config.schema(Schema.String.check(Schema.isPattern(/^(\/[\w.~-]+)*$/u)), "IRORI_ROOT_PATH").pipe(
    Config.withDefault("")
  ),
  /** `development` serves HTTPS with a certificate for this machine alone, which is made on first use and kept. */
  tls: Choice("IRORI_TLS", tlsModes, "off"),
  /**
   * PEM files of the certificate, followed by those between it and an authority, and of its key: with them HTTPS is served.
   * They are read again when they change.
   */
  tlsCert: Config.option(Config.NonEmptyString("IRORI_TLS_CERT")),
  tlsKey: Config.option(Config.NonEmptyString("IRORI_TLS_KEY")),
  /** Callers of the Lambda API must send it as `x-api-key`; at least 16 characters. Without it nobody is asked. */
  apiKey: Config.option(Config.NonEmptyString("IRORI_API_KEY")),
  /** The folder for all that outlives the process. One process of each role at a time. */
  stateDir: Text("IRORI_STATE_DIR", ".irori"),
  /** The folder of functions, with `functions.yml` in it. */
  functionsDir: Text("IRORI_FUNCTIONS_DIR", "examples/functions"),
  /** Paths and methods to functions; by default `routing.yml` in the folder of functions, if there is one. */
  routingFile: Config.option(Config.NonEmptyString("IRORI_ROUTING_FILE")),
  /**
   * A SAM or CloudFormation template of functions, layers, APIs and schedules; by default `template.yaml` or
   * `template.yml` in the folder of functions or where this is started, if there is one.
   */
  template: Config.option(Config.NonEmptyString("IRORI_TEMPLATE")),
  /** In place of the defaults of its parameters: `Stage=dev,Names=a,b`; a value may have commas. */
  templateParameters: Text("IRORI_TEMPLATE_PARAMETERS", "").pipe(Config.orElse(() => Config.succeed(""))),
  /** Who runs workers. `auto` decides per function. */
  provisioner: Choice("IRORI_PROVISIONER", provisioners, "auto"),
  /** Region and account of every ARN. */
  region: Text("AWS_REGION", "us-east-1"),
  accountId: Config.schema(Schema.String.check(Schema.isPattern(/^\d{12}$/u)), "IRORI_ACCOUNT_ID").pipe(
    Config.withDefault("000000000000")
  ),
  /** Who may sign requests to function URLs of type AWS_IAM: `AKID:secret[:userArn],…`. Without any, nobody may. */
  credentials: Text("IRORI_CREDENTIALS", ""),
  /**
   * The gateway's own sign-in, with which the routes of `routing.yml` are protected: `JWT_SECRET_KEY` signs tokens and
   * has at least 32 characters, `X_API_KEY` is what programs show before they may try the password. All four are set, or
   * none: without them these routes are open.
   */
  jwtSecretKey: Config.option(Config.NonEmptyString("JWT_SECRET_KEY")),
  signInKey: Config.option(Config.NonEmptyString("X_API_KEY")),
  signInUser: Config.option(Config.NonEmptyString("AUTH_USER")),
  signInPassword: Config.option(Config.NonEmptyString("AUTH_PASS")),
  /** Where tokens are asked for. */
  signInPath: Text("AUTH_ENDPOINT_PATH", "/user/auth/v1"),
  /** How long a token holds, in whole seconds. */
  tokenLife: Seconds("JWT_EXPIRES_DELTA", 3000, 1),
  /** API keys and usage plans, of routes that ask for a key. Without it, nobody may call those. */
  apiKeysFile: Config.option(Config.NonEmptyString("IRORI_API_KEYS_FILE")),
  /** Addresses and networks of proxies whose `X-Forwarded-…` headers count: `10.0.0.0/8,::1`. By default none. */
  trustedProxies: Text("IRORI_TRUSTED_PROXIES", ""),
  /** Where the manager is, for a gateway of its own. */
  managerUrl: Config.option(Config.URL("IRORI_MANAGER_URL")),
  /** What gateway and manager know each other by; by default a random one kept in the state folder. */
  managerToken: Config.option(Config.NonEmptyString("IRORI_MANAGER_TOKEN")),
  /** Folders, separated by `:`, from which a manager mounts code, beside the functions' and the state folder. */
  codeRoots: Text("IRORI_CODE_ROOTS", "").pipe(Config.orElse(() => Config.succeed(""))),
  /** The longest a gateway waits for its manager to do one thing. */
  managerTimeout: Seconds("ORCHESTRATOR_TIMEOUT", 60, 1),
  /** A worker that no gateway has named in a heartbeat for so long is removed by the manager. */
  leaseTimeout: Seconds("IRORI_LEASE_TIMEOUT", 300, 1),

  /** Invocations of all functions together that may run at once; of these, 100 can never be reserved for one. */
  accountConcurrency: Whole("IRORI_ACCOUNT_CONCURRENCY", 1000),
  /**
   * What comes after the region in the host of function URLs: a host, with a port and `https://` before it where callers
   * reach this server by others than its own.
   */
  functionUrlDomain: Text("IRORI_URL_DOMAIN", "localhost"),

  /** Workers a function may have at once, unless it says otherwise. */
  maxCapacity: Whole("DEFAULT_MAX_CAPACITY", 10),
  /** Workers of a function kept warm, unless it says otherwise. */
  minCapacity: Whole("DEFAULT_MIN_CAPACITY", 0, 0),
  /** The longest a caller waits for a place, unless the function says otherwise; 0 refuses whenever all are taken. */
  acquireTimeout: Seconds("POOL_ACQUIRE_TIMEOUT", 30),
  /** Callers of one function that wait at once; one more is refused at once with 429. */
  maxQueued: Whole("IRORI_MAX_QUEUED", 1000, 0),
  /**
   * Whether all but a few are refused at once while callers of a function come faster than they can be served, and have
   * for a while: for three turns of its workers, 0.3 s at least. Without, they wait until the queue is full.
   */
  refusesOverload: Config.Boolean("IRORI_REFUSE_OVERLOAD").pipe(Config.withDefault(true)),
  /** Workers idle for so long are removed, unless the function says otherwise. */
  idleTimeout: Seconds("GATEWAY_IDLE_TIMEOUT_SECONDS", 300),
  /** Workers at once, of all functions together. Above it the coldest idle one makes room, or callers wait. */
  maxWorkers: Whole("IRORI_MAX_WORKERS", 1000),
  /** Megabytes that all workers together may declare; by default four fifths of the machine's memory. */
  memoryBudget: Whole("IRORI_MEMORY_BUDGET", Math.floor((totalmem() / 2 ** 20) * 0.8), 128),
  /** Whether idle workers are paused: they keep their memory and take no CPU. */
  pauseIdle: Config.Boolean("ENABLE_CONTAINER_PAUSE").pipe(Config.withDefault(false)),
  /** How long a worker is idle before that; looked at whenever the janitor sweeps. */
  pauseAfter: Seconds("PAUSE_IDLE_SECONDS", 30),
  /** Who pauses containers. `auto`: the kernel's freezer, where it may be used; elsewhere the engine, which is slower. */
  pauseBy: Choice("IRORI_PAUSE_BY", pausers, "auto"),
  /** The most workers that a hot function has idle ahead of its callers, one started for each that is taken. */
  maxSpares: Whole("IRORI_MAX_SPARES", 0, 0),
  /** Whether idle times are learned from each function's callers, in place of the one that is set. */
  adaptiveKeepAlive: Config.Boolean("IRORI_ADAPTIVE_KEEP_ALIVE").pipe(Config.withDefault(false)),
  /** How often the janitor sweeps. */
  heartbeatInterval: Seconds("HEARTBEAT_INTERVAL", 30, 0.1),
  /** No invocation runs longer, whatever its function's timeout. */
  invokeTimeout: Seconds("LAMBDA_INVOKE_TIMEOUT", 900, 0.001),
  /** So many times in a row a function's workers may fail; then its callers are refused at once with 502. */
  breakerThreshold: Whole("CIRCUIT_BREAKER_THRESHOLD", 5),
  /** How long they are refused until one caller is let through on trial. */
  breakerRecoveryTimeout: Seconds("CIRCUIT_BREAKER_RECOVERY_TIMEOUT", 30, 0.001),
  /** How long a function may initialise; past it that is tried once more within the function's own timeout. */
  initTimeout: Seconds("IRORI_INIT_TIMEOUT", 10, 0.001),
  /** Bytes of an event given in a synchronous invocation; more is answered with 413. */
  maxPayloadBytes: Whole("IRORI_MAX_PAYLOAD_BYTES", 6 * 1024 * 1024),
  /** Bytes of an event given in an asynchronous one. */
  maxEventBytes: Whole("IRORI_MAX_EVENT_BYTES", 1024 * 1024),
  /** Asynchronous events that may wait, on the disk, or run at once; one more is refused with 429. */
  maxEvents: Whole("IRORI_MAX_EVENTS", 100_000),
  /** Seconds before each further attempt of an event whose function failed, separated by commas. */
  asyncRetryDelays: Text("IRORI_ASYNC_RETRY_DELAYS", "60,120"),
  /** An event older than this is given up, unless its function says otherwise. */
  asyncMaxAge: Seconds("IRORI_ASYNC_MAX_AGE", 21_600, 1),
  /** Failed events that no destination was told of: so many are kept to be run again; then the oldest are dropped. */
  maxFailedEvents: Whole("IRORI_MAX_FAILED_EVENTS", 10_000, 0),
  /** How long they are kept. */
  failedEventRetention: Seconds("IRORI_FAILED_EVENT_RETENTION", 14 * 86_400),
  /** What stands in for AWS's queues, topics and buses: `arn:…=http://…,arn:…=file:///…`. */
  destinations: Text("IRORI_DESTINATIONS", ""),
  /** Folders, separated by `:`, whose files callers may name as destinations; by default one in the state folder. */
  destinationRoots: Text("IRORI_DESTINATION_ROOTS", "").pipe(Config.orElse(() => Config.succeed(""))),
  /**
   * What is made up for of the due times of schedules at which Irori was not running: none (`skip`), the last one for all
   * of a schedule's (`once`), or each (`all`, of a schedule at most the last 1000).
   */
  missedSchedules: Choice("IRORI_MISSED_SCHEDULES", missedPolicies, "once"),
  /** How long running invocations may go on after SIGTERM; then they are cut off. */
  shutdownTimeout: Seconds("IRORI_SHUTDOWN_TIMEOUT", 30),

  /** The Docker engine: `unix://…` or `tcp://…`. */
  dockerHost: Text("DOCKER_HOST", "unix:///var/run/docker.sock"),
  /** Docker operations at once. */
  dockerMaxWorkers: Whole("DOCKER_MAX_WORKERS", 20),
  /** Container starts at once, which are dear: by default twice the cores. */
  dockerMaxStarts: Whole("IRORI_DOCKER_MAX_STARTS", 2 * availableParallelism()),
  /** The longest one Docker operation may take. */
  dockerTimeout: Seconds("DOCKER_CLIENT_TIMEOUT", 60, 0.001),
  /** The Docker network of containers. */
  network: Text("CONTAINERS_NETWORK", "bridge"),
  /** The address by which containers reach this process; by default their network's gateway. */
  runtimeApiHost: Config.option(Config.NonEmptyString("IRORI_RUNTIME_API_HOST")),
  /** Images to run code in, in place of AWS's: `nodejs22.x=my-node:1,python3.12=my-python:1`. */
  baseImages: Text("IRORI_BASE_IMAGES", ""),
  /** The user of containers, as `uid:gid`. */
  containerUser: Text("IRORI_CONTAINER_USER", "1051:1051"),
  /** The port of the emulator inside images whose transport is `rie`. */
  riePort: Whole("LAMBDA_PORT", 8080, 1, 65535),
  /** The longest such an image may take until it listens. */
  readinessTimeout: Seconds("CONTAINER_READINESS_TIMEOUT", 30, 0.001),

  /** The least level that is logged. */
  logLevel: Choice("LOG_LEVEL", logLevels, "INFO"),
  /** `auto` is `json` where NODE_ENV is `production`, and `pretty` elsewhere. */
  logFormat: Choice("IRORI_LOG_FORMAT", logFormats, "auto"),
  nodeEnv: Text("NODE_ENV", ""),
  /** Where programs of process workers are looked up. */
  path: Text("PATH", "/usr/local/bin:/usr/bin:/bin")
})

export interface Settings
  extends Omit<
    Config.Success<typeof settings>,
    | "port"
    | "baseImages"
    | "codeRoots"
    | "credentials"
    | "trustedProxies"
    | "jwtSecretKey"
    | "signInKey"
    | "signInUser"
    | "signInPassword"
    | "signInPath"
    | "tokenLife"
    | "asyncRetryDelays"
    | "destinations"
    | "destinationRoots"
    | "templateParameters"
    | "logFormat"
    | "nodeEnv"
  > {
  readonly port: number
  readonly baseImages: ReadonlyMap<string, string>
  readonly codeRoots: ReadonlyArray<string>
  readonly credentials: Credentials
  readonly trustedProxies: TrustedProxies
  /** Undefined where nobody can sign in. */
  readonly signIn: SignInSettings | undefined
  readonly asyncRetryDelays: ReadonlyArray<Duration.Duration>
  /** URLs by ARN. */
  readonly destinations: ReadonlyMap<string, string>
  readonly destinationRoots: ReadonlyArray<string>
  /** By name. */
  readonly templateParameters: Readonly<Record<string, string>>
  readonly logFormat: "json" | "pretty"
  /** Every variable of the environment, for the `${NAME}` in `functions.yml`. */
  readonly environment: Readonly<Record<string, string>>
}

export interface SignInSettings extends SignInOptions {
  readonly path: string
}

export const isLoopback = (host: string): boolean => /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host)

const parseBaseImages = Effect.fnUntraced(function* (text: string) {
  const images = new Map<string, string>()
  for (const entry of text.split(",").filter((part) => part.trim() !== "")) {
    const [runtime, image] = [entry.slice(0, entry.indexOf("=")).trim(), entry.slice(entry.indexOf("=") + 1).trim()]
    if (!entry.includes("=") || runtime === "" || image === "") {
      return yield* new SettingInvalid({
        detail: `IRORI_BASE_IMAGES: "${entry.trim()}" is not of the form runtime=image, such as nodejs22.x=my-node:1.`
      })
    }
    images.set(runtime, image)
  }
  return images
})

const parseRetryDelays = Effect.fnUntraced(function* (text: string) {
  const parts = text.split(",").map((part) => part.trim())
  if (parts.some((part) => !/^\d+(\.\d+)?$/.test(part))) {
    return yield* new SettingInvalid({
      detail: `IRORI_ASYNC_RETRY_DELAYS=${text} cannot be used: seconds, separated by commas, such as 60,120.`
    })
  }
  return parts.map((part) => Duration.seconds(Number(part)))
})

const parseDestinations = Effect.fnUntraced(function* (text: string) {
  const destinations = new Map<string, string>()
  for (const entry of text.split(",").filter((part) => part.trim() !== "")) {
    const [, arn, url] = /^\s*(arn:[^=\s]+)=((?:https?|file):\S+)\s*$/.exec(entry) ?? []
    if (arn === undefined || url === undefined || !URL.canParse(url)) {
      return yield* new SettingInvalid({
        detail: `IRORI_DESTINATIONS: "${entry.trim()}" is not of the form arn:…=http://… or arn:…=file:///…`
      })
    }
    destinations.set(arn, url)
  }
  return destinations
})

type SignInVariables = Pick<
  Config.Success<typeof settings>,
  "jwtSecretKey" | "signInKey" | "signInUser" | "signInPassword" | "signInPath" | "tokenLife"
>

/** None of the values is repeated to whoever reads why they cannot be used. */
const parseSignIn = Effect.fnUntraced(function* (read: SignInVariables) {
  const { jwtSecretKey, signInKey, signInPassword, signInPath, signInUser, tokenLife } = read
  const variables = {
    JWT_SECRET_KEY: jwtSecretKey,
    X_API_KEY: signInKey,
    AUTH_USER: signInUser,
    AUTH_PASS: signInPassword
  }
  const missing = Object.entries(variables).filter(([, value]) => Option.isNone(value))
  if (missing.length === 4) return undefined
  if (
    Option.isNone(jwtSecretKey) ||
    Option.isNone(signInKey) ||
    Option.isNone(signInUser) ||
    Option.isNone(signInPassword)
  ) {
    const names = missing.map(([name]) => name).join(", ")
    return yield* new SettingInvalid({
      detail: `Sign-in is half set up: set ${names} as well, or none of ${Object.keys(variables).join(", ")}.`
    })
  }
  if (jwtSecretKey.value.length < 32) {
    return yield* new SettingInvalid({ detail: "JWT_SECRET_KEY is too short: it needs at least 32 characters." })
  }
  if (!/^(\/[\w.~-]+)+$/.test(signInPath)) {
    return yield* new SettingInvalid({
      detail: `AUTH_ENDPOINT_PATH=${signInPath} cannot be used: a path, such as /login.`
    })
  }
  return {
    path: signInPath,
    apiKey: signInKey.value,
    user: signInUser.value,
    password: signInPassword.value,
    secret: jwtSecretKey.value,
    life: tokenLife
  } satisfies SignInSettings
})

const parseParameters = Effect.fnUntraced(function* (text: string) {
  const parameters: Record<string, string> = {}
  // A comma is between two parameters where a name comes after it.
  for (const entry of text.split(/,(?=\s*[A-Za-z0-9]+=)/).filter((part) => part.trim() !== "")) {
    const [, name, value] = /^\s*([A-Za-z0-9]+)=(.*)$/s.exec(entry) ?? []
    if (name === undefined || value === undefined) {
      return yield* new SettingInvalid({
        detail: `IRORI_TEMPLATE_PARAMETERS: "${entry.trim()}" is not of the form Name=value,Name=value.`
      })
    }
    parameters[name] = value
  }
  return parameters
})

const readable = <A>(name: string, parsed: Result.Result<A, string>) =>
  Effect.fromResult(Result.mapError(parsed, (detail) => new SettingInvalid({ detail: `${name}: ${detail}.` })))

/** Reads the settings from `environment`: that of the process, unless a test has its own. */
export const loadSettings = Effect.fnUntraced(function* (
  environment: Readonly<Record<string, string | undefined>> = process.env
) {
  // An empty variable is one that is not set: that is how Docker Compose passes on what it does not have.
  const env = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "")
  )
  const read = yield* settings
    .parse(ConfigProvider.fromUnknown(env))
    .pipe(Effect.mapError((error) => new SettingInvalid({ detail: explain(error.message, env) })))
  if (!isLoopback(read.host) && read.role !== "manager" && Option.isNone(read.apiKey)) {
    return yield* new SettingInvalid({
      detail:
        `IRORI_HOST=${read.host} can be reached from other machines: set IRORI_API_KEY to a secret of at least ` +
        "16 characters, which callers send as x-api-key, or listen on 127.0.0.1."
    })
  }
  const hasFiles = Option.isSome(read.tlsCert)
  if (hasFiles !== Option.isSome(read.tlsKey)) {
    return yield* new SettingInvalid({ detail: "IRORI_TLS_CERT and IRORI_TLS_KEY belong together: set both, or none." })
  }
  if (hasFiles && read.tls === "development") {
    return yield* new SettingInvalid({
      detail: "IRORI_TLS=development makes a certificate of its own: leave it out, or IRORI_TLS_CERT and IRORI_TLS_KEY."
    })
  }
  if ((hasFiles || read.tls !== "off") && read.role === "manager") {
    return yield* new SettingInvalid({
      detail: "IRORI_TLS, IRORI_TLS_CERT and IRORI_TLS_KEY are for gateways: a manager is called over plain HTTP."
    })
  }
  if (Option.isSome(read.apiKey) && read.apiKey.value.length < 16) {
    return yield* new SettingInvalid({ detail: "IRORI_API_KEY is too short: it needs at least 16 characters." })
  }
  const { logFormat, nodeEnv, ...rest } = read
  return {
    ...rest,
    logFormat: logFormat !== "auto" ? logFormat : nodeEnv === "production" ? "json" : "pretty",
    port: Option.getOrElse(read.port, () => (read.role === "manager" ? 3001 : 3000)),
    baseImages: yield* parseBaseImages(read.baseImages),
    codeRoots: read.codeRoots.split(":").filter((root) => root !== ""),
    credentials: yield* readable("IRORI_CREDENTIALS", parseCredentials(read.credentials, read)),
    trustedProxies: yield* readable("IRORI_TRUSTED_PROXIES", trustedProxies(read.trustedProxies)),
    signIn: yield* parseSignIn(read),
    asyncRetryDelays: yield* parseRetryDelays(read.asyncRetryDelays),
    destinations: yield* parseDestinations(read.destinations),
    destinationRoots: read.destinationRoots.split(":").filter((root) => root !== ""),
    templateParameters: yield* parseParameters(read.templateParameters),
    environment: env
  } satisfies Settings
})

/** One line out of a schema's report: which variable, what it has, what it may have. */
const explain = (report: string, env: Readonly<Record<string, string>>): string => {
  const name = /\["([A-Z0-9_]+)"\]/.exec(report)?.[1]
  const problem = report.split("\n")[0]!.replace(/^SchemaError\(|\)$/g, "")
  return name === undefined ? problem : `${name}=${env[name] ?? ""} cannot be used: ${choicesOf(name) ?? problem}`
}

const choicesOf = (name: string): string | undefined => {
  const choices = {
    IRORI_ROLE: roles,
    IRORI_PROVISIONER: provisioners,
    IRORI_PAUSE_BY: pausers,
    IRORI_TLS: tlsModes,
    IRORI_LOG_FORMAT: logFormats,
    IRORI_MISSED_SCHEDULES: missedPolicies,
    LOG_LEVEL: logLevels
  }[name]
  return choices === undefined ? undefined : `choose one of ${choices.join(", ")}.`
}
