/**
 * The extensions of one worker: who they are, what they wait for, and what that says about the worker
 * (`LAMBDA-CONTRACT.md` section 7). No I/O and no clock, as `RuntimeSession`: polls come in as functions to call.
 */

/** What `GET /extension/event/next` answers, but for its tracing. */
export type ExtensionEvent =
  | {
      readonly eventType: "INVOKE"
      readonly deadlineMs: number
      readonly requestId: string
      readonly invokedFunctionArn: string
      readonly tracing: { readonly type: "X-Amzn-Trace-Id"; readonly value: string }
    }
  | { readonly eventType: "SHUTDOWN"; readonly shutdownReason: ShutdownReason; readonly deadlineMs: number }

/** The worker is not needed any more; its last invocation ran out of time; something in it broke. */
export type ShutdownReason = "spindown" | "timeout" | "failure"

/** A refusal of the Extensions API. */
export interface ExtensionRefusal {
  readonly status: 400 | 403
  readonly errorType: string
  readonly errorMessage: string
}

/** Why an extension has ended the worker. */
export interface ExtensionFailure {
  /** The file's name. */
  readonly name: string
  readonly errorType: string
  readonly errorMessage: string
}

export interface Extension {
  /** Its `Lambda-Extension-Identifier`. */
  readonly id: string
  readonly name: string
  /** Started beside the runtime, rather than registered from inside of it. */
  readonly external: boolean
  readonly events: ReadonlySet<string>
}

type Poll = (event: ExtensionEvent) => void

interface Agent extends Extension {
  /** `busy`: it has not called `next` since it registered or was given its last event. */
  state: "busy" | "waiting" | "failed"
  poll: Poll | undefined
  /** What it is to get at its next call. */
  queued: ExtensionEvent | undefined
}

/** Lambda's limit. */
export const maxExtensions = 10

const eventTypes: ReadonlySet<string> = new Set(["INVOKE", "SHUTDOWN"])
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** What a shell ends with that finds no such program, or one that it cannot run. */
const launchFailures: ReadonlySet<number> = new Set([126, 127])

export const refusal = (errorType: string, errorMessage: string): ExtensionRefusal => ({
  status: 403,
  errorType,
  errorMessage
})

export class ExtensionSession {
  readonly #expected: ReadonlySet<string>
  readonly #agents = new Map<string, Agent>()
  readonly #exited = new Set<string>()
  #phase: "initializing" | "running" | "shutting down" = "initializing"
  /** The runtime has asked for its first event. */
  #runtimeReady = false
  #failure: ExtensionFailure | undefined
  readonly #changed: () => void

  /** `external` are the file names of those that are started. `changed` is called after every step they take. */
  constructor(external: ReadonlyArray<string>, changed: () => void = () => {}) {
    this.#expected = new Set(external)
    this.#changed = changed
  }

  /** True where there is anybody to wait for. */
  get isActive(): boolean {
    return this.#agents.size > 0 || this.#expected.size > 0
  }

  get failure(): ExtensionFailure | undefined {
    return this.#failure
  }

  /** All that were started have registered: the runtime may be started. */
  get isLaunched(): boolean {
    const names = new Set([...this.#agents.values()].map(({ name }) => name))
    return [...this.#expected].every((name) => names.has(name))
  }

  /** All have called `next` since they were given their last event, and nobody is missing. */
  get isIdle(): boolean {
    return this.isLaunched && [...this.#agents.values()].every(({ state }) => state === "waiting")
  }

  /** True while somebody may still make use of a SHUTDOWN event. */
  get isLeaving(): boolean {
    return [...this.#agents.values()].some(
      ({ events, external, name, state }) =>
        external && state !== "failed" && events.has("SHUTDOWN") && !this.#exited.has(name)
    )
  }

  get hasExternal(): boolean {
    return this.#expected.size > 0
  }

  find(id: string | undefined): Extension | ExtensionRefusal {
    return this.#agent(id)
  }

  /** `POST /register`. `id` is the identifier it is to have. */
  register(id: string, name: string | undefined, events: unknown): Extension | ExtensionRefusal {
    if (name === undefined || name === "") return refusal("Extension.InvalidExtensionName", "Empty extension name")
    const external = this.#expected.has(name)
    const known = [...this.#agents.values()].some((agent) => agent.name === name)
    if (known) return refusal("Extension.InvalidExtensionState", `Extension ${name} is registered already`)
    if (this.#phase !== "initializing" || (!external && this.#runtimeReady)) {
      return refusal("Extension.RegistrationClosed", "Extension registration closed already")
    }
    const wanted = readEvents(events)
    if (wanted === undefined) return refusal("InvalidRequestFormat", "Expected an object with a list of events")
    for (const event of wanted) {
      if (!eventTypes.has(event) || (!external && event === "SHUTDOWN")) {
        const whose = eventTypes.has(event) ? " of an internal extension" : ""
        return refusal("Extension.InvalidEventType", `ShutdownEvent or InvokeEvent expected${whose}: ${event}`)
      }
    }
    if (this.#agents.size >= maxExtensions) {
      return refusal("Extension.TooManyExtensions", `Extension limit (${maxExtensions}) reached`)
    }
    const agent: Agent = {
      id,
      name,
      external,
      events: new Set(wanted),
      state: "busy",
      poll: undefined,
      queued: undefined
    }
    this.#agents.set(id, agent)
    this.#changed()
    return agent
  }

  /** `GET /event/next`: `poll` is called with an event, now or later. Undefined when that is in order. */
  next(id: string | undefined, poll: Poll): ExtensionRefusal | undefined {
    const agent = this.#agent(id)
    if ("status" in agent) return agent
    if (agent.state === "failed") return invalidState(agent)
    agent.state = "waiting"
    if (agent.queued === undefined) agent.poll = poll
    else this.#give(agent, agent.queued, poll)
    this.#changed()
    return undefined
  }

  /** The connection of a waiting `next` broke: whoever it was asks anew, or is seen to end. */
  unpoll(poll: Poll): void {
    for (const agent of this.#agents.values()) {
      if (agent.poll !== poll) continue
      agent.poll = undefined
      agent.state = "busy"
    }
  }

  /** `POST /init/error` and `/exit/error`: it has given up, and the worker with it. */
  fail(
    id: string | undefined,
    when: "init" | "exit",
    errorType: string | undefined,
    errorMessage: string | undefined
  ): ExtensionRefusal | undefined {
    const agent = this.#agent(id)
    if ("status" in agent) return agent
    if (errorType === undefined || errorType === "") {
      return refusal("InvalidRequestFormat", "The header Lambda-Extension-Function-Error-Type is missing")
    }
    // Its initialisation is over with its first `next`.
    const initialized = this.#phase !== "initializing" || agent.state !== "busy"
    if (agent.state === "failed" || (when === "init" && initialized)) return invalidState(agent)
    agent.state = "failed"
    this.#fail({ name: agent.name, errorType, errorMessage: errorMessage ?? `${agent.name} gave up` })
    return undefined
  }

  /** The process of an external extension has ended. That is in order only after it was told to shut down. */
  exited(name: string, exitCode: number): void {
    if (!this.#expected.has(name) || this.#exited.has(name)) return
    this.#exited.add(name)
    const registered = [...this.#agents.values()].some((agent) => agent.name === name)
    if (this.#phase === "shutting down") this.#changed()
    else if (!registered && launchFailures.has(exitCode)) {
      this.#fail({ name, errorType: "Extension.LaunchError", errorMessage: `${name}: exit status ${exitCode}` })
    } else {
      const how = exitCode === 0 ? "exit code 0" : `exit status ${exitCode}`
      this.#fail({ name, errorType: "Extension.Crash", errorMessage: `${name}: ${how}` })
    }
  }

  /** The runtime has asked for its first event: from here on nobody registers from inside of it. */
  runtimeReady(): void {
    this.#runtimeReady = true
    this.#changed()
  }

  /** Initialisation is over. */
  run(): void {
    this.#phase = "running"
  }

  /** Gives an event to all who want such. */
  give(event: ExtensionEvent): void {
    if (event.eventType === "SHUTDOWN") this.#phase = "shutting down"
    for (const agent of this.#agents.values()) {
      if (!agent.events.has(event.eventType) || agent.state === "failed") continue
      if (agent.poll === undefined) agent.queued = event
      else this.#give(agent, event, agent.poll)
    }
  }

  #give(agent: Agent, event: ExtensionEvent, poll: Poll): void {
    agent.state = "busy"
    agent.poll = undefined
    agent.queued = undefined
    poll(event)
  }

  #fail(failure: ExtensionFailure): void {
    this.#failure ??= failure
    this.#changed()
  }

  #agent(id: string | undefined): Agent | ExtensionRefusal {
    if (id === undefined || id === "") {
      return refusal("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
    }
    if (!uuid.test(id)) return refusal("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
    return this.#agents.get(id) ?? refusal("Extension.UnknownExtensionIdentifier", `Unknown extension ${id}`)
  }
}

const invalidState = ({ name }: Extension) =>
  refusal("Extension.InvalidExtensionState", `Extension ${name} is in no state for this`)

/** Undefined where it is no list of texts. A registration without a list asks for no events. */
const readEvents = (events: unknown): ReadonlyArray<string> | undefined => {
  if (events === undefined) return []
  return Array.isArray(events) && events.every((event) => typeof event === "string") ? events : undefined
}
