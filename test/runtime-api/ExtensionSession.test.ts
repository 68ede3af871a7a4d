import { describe, expect, it } from "vitest"
import { type ExtensionEvent, ExtensionSession } from "../../src/runtime-api/ExtensionSession.ts"

const idOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`
const [first, second] = [idOf(1), idOf(2)]

const invoke: ExtensionEvent = {
  eventType: "INVOKE",
  deadlineMs: 1000,
  requestId: "r-1",
  invokedFunctionArn: "arn",
  tracing: { type: "X-Amzn-Trace-Id", value: "Root=1" }
}
const shutdown: ExtensionEvent = { eventType: "SHUTDOWN", shutdownReason: "spindown", deadlineMs: 2000 }

/** Registers, and writes down what it gets. */
const extension = (session: ExtensionSession, id: string, name: string, events: ReadonlyArray<string>) => {
  const got: Array<string> = []
  const answer = session.register(id, name, events)
  const poll = (event: ExtensionEvent) => void got.push(event.eventType)
  return { answer, got, poll, next: () => session.next(id, poll) }
}

const refused = (answer: object | undefined) => answer !== undefined && "errorType" in answer && answer.errorType

describe("ExtensionSession", () => {
  it("is launched when all that were started have registered, and idle when all have asked for an event", () => {
    const session = new ExtensionSession(["a", "b"])
    const a = extension(session, first, "a", ["INVOKE"])
    a.next()
    expect([session.isLaunched, session.isIdle]).toEqual([false, false])
    const b = extension(session, second, "b", [])
    expect([session.isLaunched, session.isIdle]).toEqual([true, false])
    b.next()
    expect([session.isLaunched, session.isIdle]).toEqual([true, true])
  })

  it("gives an event to those who asked for its kind, at once or at their next call", () => {
    const session = new ExtensionSession(["a", "b"])
    const a = extension(session, first, "a", ["INVOKE", "SHUTDOWN"])
    const b = extension(session, second, "b", ["SHUTDOWN"])
    a.next()
    b.next()
    session.give(invoke)
    expect([a.got, b.got]).toEqual([["INVOKE"], []])
    expect(session.isIdle).toBe(false)
    session.give(shutdown)
    expect([a.got, b.got]).toEqual([["INVOKE"], ["SHUTDOWN"]])
    a.next()
    expect(a.got).toEqual(["INVOKE", "SHUTDOWN"])
  })

  it("is idle again when all who were given the event have called", () => {
    const session = new ExtensionSession(["a", "b"])
    const all = [extension(session, first, "a", ["INVOKE"]), extension(session, second, "b", ["INVOKE"])]
    for (const { next } of all) next()
    session.give(invoke)
    all[0]?.next()
    expect(session.isIdle).toBe(false)
    all[1]?.next()
    expect(session.isIdle).toBe(true)
  })

  it("takes whoever's connection broke for busy until it asks anew", () => {
    const session = new ExtensionSession(["a"])
    const a = extension(session, first, "a", ["INVOKE"])
    a.next()
    session.unpoll(a.poll)
    expect(session.isIdle).toBe(false)
    session.give(invoke)
    expect(a.got).toEqual([])
    a.next()
    expect(a.got).toEqual(["INVOKE"])
  })

  describe("refuses to register", () => {
    const cases: ReadonlyArray<[string, string, (session: ExtensionSession) => object | undefined]> = [
      ["one without a name", "Extension.InvalidExtensionName", (session) => session.register(first, undefined, [])],
      ["one with an empty name", "Extension.InvalidExtensionName", (session) => session.register(first, "", [])],
      [
        "one that is there already",
        "Extension.InvalidExtensionState",
        (session) => {
          session.register(first, "a", [])
          return session.register(second, "a", [])
        }
      ],
      ["for events there are not", "Extension.InvalidEventType", (session) => session.register(first, "a", ["NOPE"])],
      [
        "an internal one for SHUTDOWN",
        "Extension.InvalidEventType",
        (session) => session.register(first, "inside", ["SHUTDOWN"])
      ],
      ["for events that are no list", "InvalidRequestFormat", (session) => session.register(first, "a", "INVOKE")],
      [
        "an internal one after the runtime's first call",
        "Extension.RegistrationClosed",
        (session) => {
          session.runtimeReady()
          return session.register(first, "inside", ["INVOKE"])
        }
      ],
      [
        "anybody after the initialisation",
        "Extension.RegistrationClosed",
        (session) => {
          session.run()
          return session.register(first, "a", ["INVOKE"])
        }
      ],
      [
        "an eleventh",
        "Extension.TooManyExtensions",
        (session) => {
          for (let i = 1; i <= 10; i++) expect(session.register(idOf(i), `e${i}`, [])).toHaveProperty("id")
          return session.register(idOf(11), "e11", [])
        }
      ]
    ]
    for (const [what, errorType, act] of cases) {
      it(what, () => expect(act(new ExtensionSession(["a"]))).toMatchObject({ status: 403, errorType }))
    }
  })

  it("lets an external one register although the runtime was faster", () => {
    const session = new ExtensionSession(["a"])
    session.runtimeReady()
    expect(session.register(first, "a", ["INVOKE"])).toMatchObject({ external: true })
  })

  it.each([
    [undefined, "Extension.MissingExtensionIdentifier"],
    ["", "Extension.MissingExtensionIdentifier"],
    ["me", "Extension.InvalidExtensionIdentifier"],
    [second, "Extension.UnknownExtensionIdentifier"]
  ])("refuses the calls of %s", (id, errorType) => {
    const session = new ExtensionSession(["a"])
    session.register(first, "a", [])
    expect(refused(session.next(id, () => {}))).toBe(errorType)
    expect(refused(session.fail(id, "exit", "Extension.Why", undefined))).toBe(errorType)
  })

  it("takes an init error up to the first call of `next`, and an exit error at any time", () => {
    const session = new ExtensionSession(["a", "b"])
    const a = extension(session, first, "a", [])
    a.next()
    expect(refused(session.fail(first, "init", "Extension.Why", undefined))).toBe("Extension.InvalidExtensionState")
    expect(session.failure).toBeUndefined()
    expect(session.fail(first, "exit", "Extension.Why", "no reason")).toBeUndefined()
    expect(session.failure).toEqual({ name: "a", errorType: "Extension.Why", errorMessage: "no reason" })
    expect(refused(a.next())).toBe("Extension.InvalidExtensionState")
    extension(session, second, "b", [])
    expect(session.fail(second, "init", "Extension.Other", undefined)).toBeUndefined()
    expect(session.failure?.errorType).toBe("Extension.Why")
  })

  it("refuses an error without its type", () => {
    const session = new ExtensionSession(["a"])
    session.register(first, "a", [])
    expect(refused(session.fail(first, "init", undefined, undefined))).toBe("InvalidRequestFormat")
    expect(session.failure).toBeUndefined()
  })

  it.each([
    ["ends by itself", true, 0, "Extension.Crash", "a: exit code 0"],
    ["ends with an error", true, 3, "Extension.Crash", "a: exit status 3"],
    ["ends before it has registered", false, 1, "Extension.Crash", "a: exit status 1"],
    ["cannot be started", false, 126, "Extension.LaunchError", "a: exit status 126"]
  ])("fails when an extension %s", (_, registered, code, errorType, errorMessage) => {
    const session = new ExtensionSession(["a"])
    if (registered) extension(session, first, "a", ["INVOKE"]).next()
    session.exited("a", code)
    expect(session.failure).toEqual({ name: "a", errorType, errorMessage })
  })

  it("has an extension that ends after SHUTDOWN for one that is done, and waits for no other", () => {
    const session = new ExtensionSession(["a", "b"])
    extension(session, first, "a", ["SHUTDOWN"]).next()
    extension(session, second, "b", ["INVOKE"]).next()
    session.give(shutdown)
    expect(session.isLeaving).toBe(true)
    session.exited("a", 0)
    expect(session.isLeaving).toBe(false)
    expect(session.failure).toBeUndefined()
  })

  it("knows nothing of the end of a process that is no extension", () => {
    const session = new ExtensionSession(["a"])
    session.exited("inside", 1)
    expect(session.failure).toBeUndefined()
  })
})
