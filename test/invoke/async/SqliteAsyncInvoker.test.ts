import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { it } from "@effect/vitest"
import { Deferred, Duration, Effect, Logger, Queue } from "effect"
import { TestClock } from "effect/testing"
import { afterEach, describe, expect } from "vitest"
import { FunctionName } from "../../../src/domain/FunctionName.ts"
import type { Invocation } from "../../../src/domain/Invocation.ts"
import { AsyncInvoker } from "../../../src/invoke/AsyncInvoker.ts"
import { FailedEvents } from "../../../src/invoke/async/FailedEvents.ts"
import { RecursiveInvocation } from "../../../src/invoke/InvokeError.ts"
import { FunctionNotFound } from "../../../src/registry/FunctionRegistry.ts"
import {
  type AsyncScript,
  asyncInvoking,
  enqueue,
  failed,
  ok,
  owner,
  throttled,
  turns
} from "../../support/asyncInvoking.ts"
import { functionConfig, hello, invocation } from "../../support/functions.ts"

const folders: Array<string> = []
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-events-"))
  folders.push(folder)
  return folder
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const names = (count: number) => Array.from({ length: count }, (_, nth) => `id-${nth + 1}`)

/** Ids of all attempts that were not taken yet. */
const idsOf = (queue: Queue.Queue<Invocation>) =>
  Effect.gen(function* () {
    yield* turns
    return (yield* Queue.clear(queue)).map(({ requestId }) => requestId)
  })

const failedIds = FailedEvents.use((failed) => failed.list({}, 0, 100)).pipe(
  Effect.map(({ events }) => events.map(({ condition, invocation }) => `${invocation.requestId} ${condition}`))
)

/** A life of the process, from its start to its end, over the same file. */
const life = <A, E>(
  script: AsyncScript,
  path: string,
  body: (attempts: ReturnType<typeof asyncInvoking>["attempts"]) => Effect.Effect<A, E, AsyncInvoker | FailedEvents>
) =>
  Effect.suspend(() => {
    const { attempts, layer } = asyncInvoking({ ...script, options: { ...script.options, path } })
    return Effect.provide(body(attempts), layer)
  })

/** One after the other, with time between them for what is written. */
const seconds = (count: number) =>
  Effect.andThen(TestClock.adjust("1 second"), turns).pipe(Effect.repeat({ times: count - 1 }))

describe("an asynchronous event", () => {
  it.effect("is accepted before it has run", () => {
    const { attempts, layer } = asyncInvoking({ invoke: () => Effect.never })
    return Effect.gen(function* () {
      yield* enqueue()
      expect((yield* Queue.take(attempts)).requestId).toBe("id-1")
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "is tried again after one minute and after two more when its function fails, under the same id, and then no more",
    () => {
      const { attempts, layer } = asyncInvoking({ invoke: () => failed })
      return Effect.gen(function* () {
        yield* enqueue()
        expect(yield* idsOf(attempts)).toEqual(["id-1"])
        yield* TestClock.adjust("59 seconds")
        expect(yield* idsOf(attempts)).toEqual([])
        yield* TestClock.adjust("1 second")
        expect(yield* idsOf(attempts)).toEqual(["id-1"])
        yield* TestClock.adjust("119 seconds")
        expect(yield* idsOf(attempts)).toEqual([])
        yield* TestClock.adjust("1 second")
        expect(yield* idsOf(attempts)).toEqual(["id-1"])
        yield* TestClock.adjust("6 hours")
        expect(yield* idsOf(attempts)).toEqual([])
        expect(yield* failedIds).toEqual(["id-1 RetriesExhausted"])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect(
    "is tried again after 1 s, 2 s, 4 s, up to every 5 minutes when it was throttled, which is no attempt",
    () => {
      const { attempts, layer } = asyncInvoking({ invoke: (attempt) => (attempt <= 11 ? throttled : failed) })
      return Effect.gen(function* () {
        yield* enqueue()
        expect(yield* idsOf(attempts)).toHaveLength(1)
        for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
          yield* TestClock.adjust(Duration.millis(seconds * 1000 - 1))
          expect(yield* idsOf(attempts)).toEqual([])
          yield* TestClock.adjust("1 millis")
          expect(yield* idsOf(attempts)).toEqual(["id-1"])
        }
        // The twelfth ran and failed, and has both its retries before it.
        yield* TestClock.adjust("1 minute")
        expect(yield* idsOf(attempts)).toHaveLength(1)
        yield* TestClock.adjust("2 minutes")
        expect(yield* idsOf(attempts)).toHaveLength(1)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("is given up when it would be too old at its next attempt", () => {
    const { layer } = asyncInvoking({ invoke: () => throttled })
    return Effect.gen(function* () {
      yield* enqueue()
      yield* turns
      for (let minutes = 0; minutes < 354; minutes += 1) {
        yield* TestClock.adjust("1 minute")
        yield* turns
      }
      expect(yield* failedIds).toEqual([])
      yield* TestClock.adjust("6 minutes")
      yield* turns
      expect(yield* failedIds).toEqual(["id-1 EventAgeExceeded"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is given up and kept, after a minute in which its function may come back, when that was deleted", () => {
    let isThere = false
    const missing = Effect.fail(new FunctionNotFound({ functionName: hello }))
    const { attempts, layer } = asyncInvoking({ invoke: () => (isThere ? ok : missing) })
    return Effect.gen(function* () {
      yield* enqueue("id-1")
      yield* turns
      yield* seconds(30)
      expect(yield* failedIds).toEqual([])
      isThere = true
      yield* seconds(30)
      isThere = false
      yield* Queue.clear(attempts)
      yield* enqueue("id-2")
      yield* turns
      yield* seconds(59)
      expect(yield* failedIds).toEqual([])
      yield* seconds(6)
      expect(yield* failedIds).toEqual(["id-2 RetriesExhausted"])
      // No other event of it is waited with.
      yield* enqueue("id-3")
      yield* seconds(1)
      expect(yield* failedIds).toEqual(["id-2 RetriesExhausted", "id-3 RetriesExhausted"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is given up at once where its function's maximum age is over before the first retry", () => {
    const { layer } = asyncInvoking({ invoke: () => failed, settings: { maxAgeSeconds: 60 } })
    return Effect.gen(function* () {
      yield* enqueue()
      yield* turns
      expect(yield* failedIds).toEqual(["id-1 EventAgeExceeded"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("has as many retries as its function says", () => {
    const { attempts, layer } = asyncInvoking({ invoke: () => failed, settings: { maxRetries: 0 } })
    return Effect.gen(function* () {
      yield* enqueue()
      expect(yield* idsOf(attempts)).toEqual(["id-1"])
      expect(yield* failedIds).toEqual(["id-1 RetriesExhausted"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("has as many retries as its function's file says, unless something else is set through the API", () => {
    const functions = [functionConfig({ eventInvoke: { maxRetries: 0 } })]
    const file = asyncInvoking({ invoke: () => failed, functions })
    const both = asyncInvoking({ invoke: () => failed, functions, settings: { maxRetries: 1 } })
    return Effect.gen(function* () {
      for (const [{ attempts, layer }, retries] of [
        [file, 0],
        [both, 1]
      ] as const) {
        yield* Effect.gen(function* () {
          yield* enqueue()
          expect(yield* idsOf(attempts)).toHaveLength(1)
          yield* TestClock.adjust("1 minute")
          expect(yield* idsOf(attempts)).toHaveLength(retries)
        }).pipe(Effect.provide(layer))
      }
    })
  })

  it.effect("is given up without an attempt where its function has a reserved concurrency of 0", () => {
    const { attempts, layer } = asyncInvoking({ reserved: 0 })
    return Effect.gen(function* () {
      yield* enqueue()
      expect(yield* idsOf(attempts)).toEqual([])
      const { events } = yield* FailedEvents.use((failed) => failed.list({}, 0, 10))
      expect(events).toMatchObject([{ condition: "ZeroReservedConcurrency", attempts: 0 }])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is given up at once when it belongs to a recursive loop, and its dead-letter function is told", () => {
    const other = FunctionName.make("other")
    const { attempts, layer } = asyncInvoking({
      invoke: (attempt) => (attempt === 1 ? Effect.fail(new RecursiveInvocation({ functionName: hello })) : ok),
      functions: [functionConfig(), functionConfig({ name: other })],
      settings: { onFailure: `arn:aws:lambda:us-east-1:${owner.accountId}:function:other` }
    })
    return Effect.gen(function* () {
      yield* enqueue()
      yield* turns
      yield* TestClock.adjust("1 hour")
      const [first, told, ...more] = yield* Effect.map(Queue.clear(attempts), (all) => [...all])
      expect([first?.functionName, told?.functionName, more]).toEqual([hello, other, []])
      expect(JSON.parse(new TextDecoder().decode(told?.payload))).toMatchObject({
        requestContext: { requestId: "id-1", condition: "RetriesExhausted", approximateInvokeCount: 0 }
      })
      expect(told?.traceId).toMatch(/;Lineage=1:[0-9a-f]{8}:0$/)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is on the disk when a caller without a fiber is told that it was taken, and no sooner", () => {
    const path = join(newFolder(), "events.db")
    const { attempts, layer } = asyncInvoking({ invoke: () => Effect.never, options: { path } })
    const stored = () => {
      const database = new DatabaseSync(path, { readOnly: true })
      try {
        return database.prepare("SELECT request_id FROM events").all().length
      } finally {
        database.close()
      }
    }
    return Effect.gen(function* () {
      const { accept } = yield* AsyncInvoker
      const seen = yield* Effect.callback<ReadonlyArray<unknown>>((resume) => {
        let isBack = false
        accept?.(invocation({ requestId: "id-1" }), (error) => resume(Effect.succeed([error, isBack, stored()])))
        isBack = true
      })
      expect(seen).toEqual([undefined, true, 1])
      expect((yield* Queue.take(attempts)).requestId).toBe("id-1")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is refused a caller without a fiber before its call returns, while as many wait as may", () => {
    const { layer } = asyncInvoking({ invoke: () => Effect.never, options: { maxEvents: 1 } })
    return Effect.gen(function* () {
      yield* enqueue("id-1")
      const { accept } = yield* AsyncInvoker
      const told: Array<string | undefined> = []
      accept?.(invocation({ requestId: "id-2" }), (error) => told.push(error?._tag))
      expect(told).toEqual(["EventQueueFull"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is refused while as many wait as may, until one is done", () => {
    const gate = Deferred.makeUnsafe<void>()
    const { layer } = asyncInvoking({
      invoke: () => Effect.andThen(Deferred.await(gate), ok),
      options: { maxEvents: 2 }
    })
    return Effect.gen(function* () {
      yield* enqueue("id-1")
      yield* enqueue("id-2")
      expect(yield* Effect.flip(enqueue("id-3"))).toMatchObject({ _tag: "EventQueueFull", maxEvents: 2 })
      yield* Deferred.succeed(gate, undefined)
      yield* turns
      yield* enqueue("id-4")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is tried again when running it fails unexpectedly", () => {
    const { attempts, layer } = asyncInvoking({ invoke: (attempt) => (attempt === 1 ? Effect.die("bug") : ok) })
    return Effect.gen(function* () {
      yield* enqueue()
      expect(yield* idsOf(attempts)).toHaveLength(1)
      yield* TestClock.adjust("1 second")
      expect(yield* idsOf(attempts)).toHaveLength(1)
    }).pipe(Effect.provide(layer), Effect.provide(Logger.layer([])))
  })
})

describe("a flood of events", () => {
  const [flooded, other] = [FunctionName.make("flooded"), FunctionName.make("other")]
  const functions = [functionConfig({ name: flooded, maxCapacity: 3 }), functionConfig({ name: other, maxCapacity: 3 })]

  it.effect("runs as many at once as its function may, in the order in which they came", () => {
    const gates = new Map(names(30).map((id) => [id, Deferred.makeUnsafe<void>()]))
    const { attempts, layer } = asyncInvoking({
      functions,
      invoke: (_, { requestId }) => Effect.andThen(Deferred.await(gates.get(requestId)!), ok)
    })
    return Effect.gen(function* () {
      for (const id of gates.keys()) yield* enqueue(id, { functionName: flooded })
      expect(yield* idsOf(attempts)).toEqual(["id-1", "id-2", "id-3"])
      yield* Deferred.succeed(gates.get("id-2")!, undefined)
      expect(yield* idsOf(attempts)).toEqual(["id-4"])
      for (const gate of gates.values()) yield* Deferred.succeed(gate, undefined)
      expect(yield* idsOf(attempts)).toEqual(names(30).slice(4))
    }).pipe(Effect.provide(layer))
  })

  it.effect("keeps no other function's events waiting", () => {
    const { attempts, layer } = asyncInvoking({
      functions,
      invoke: (_, { functionName }) => (functionName === flooded ? Effect.never : ok)
    })
    return Effect.gen(function* () {
      for (const id of names(50)) yield* enqueue(id, { functionName: flooded })
      yield* idsOf(attempts)
      yield* enqueue("other-1", { functionName: other })
      expect(yield* idsOf(attempts)).toEqual(["other-1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("shares what all may run at once with the others, turn by turn", () => {
    const gates: Array<Deferred.Deferred<void>> = []
    const { attempts, layer } = asyncInvoking({
      functions,
      options: { maxRunning: 1 },
      invoke: () => {
        const gate = Deferred.makeUnsafe<void>()
        gates.push(gate)
        return Effect.andThen(Deferred.await(gate), ok)
      }
    })
    return Effect.gen(function* () {
      for (const id of names(3)) yield* enqueue(`a-${id}`, { functionName: flooded })
      for (const id of names(3)) yield* enqueue(`b-${id}`, { functionName: other })
      const order: Array<string> = []
      for (let nth = 0; nth < 6; nth++) {
        order.push(...(yield* idsOf(attempts)))
        yield* Deferred.succeed(gates[nth]!, undefined)
      }
      expect(order).toEqual(["a-id-1", "a-id-2", "b-id-1", "a-id-3", "b-id-2", "b-id-3"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is tried by one a second while its function takes nothing, and not all of it at once", () => {
    const { attempts, layer } = asyncInvoking({ functions, invoke: () => throttled })
    return Effect.gen(function* () {
      for (const id of names(50)) yield* enqueue(id, { functionName: flooded })
      yield* idsOf(attempts)
      for (let second = 0; second < 20; second++) {
        yield* TestClock.adjust("1 second")
        expect((yield* idsOf(attempts)).length).toBeLessThanOrEqual(1)
      }
    }).pipe(Effect.provide(layer))
  })
})

describe("a process that starts again", () => {
  it.effect("runs what waited, what was running first, and keeps what is not due for later", () => {
    const path = join(newFolder(), "events.db")
    const functions = [functionConfig({ maxCapacity: 2 })]
    return Effect.gen(function* () {
      yield* life({ functions, invoke: () => failed }, path, (attempts) =>
        Effect.andThen(enqueue("late"), idsOf(attempts))
      )
      yield* life({ functions, invoke: () => Effect.never }, path, (attempts) =>
        Effect.gen(function* () {
          for (const id of names(5)) yield* enqueue(id)
          expect(yield* idsOf(attempts)).toEqual(["id-1", "id-2"])
        })
      )
      yield* life({ functions, invoke: () => ok }, path, (attempts) =>
        Effect.gen(function* () {
          expect(yield* idsOf(attempts)).toEqual(names(5))
          yield* TestClock.adjust("1 minute")
          expect(yield* idsOf(attempts)).toEqual(["late"])
        })
      )
      yield* life({ functions, invoke: () => ok }, path, (attempts) =>
        Effect.gen(function* () {
          yield* TestClock.adjust("1 hour")
          expect(yield* idsOf(attempts)).toEqual([])
        })
      )
    })
  })

  it.effect("says how many events were running, and may have run before", () => {
    const path = join(newFolder(), "events.db")
    const log: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void log.push([message].flat().join(" ")))])
    return Effect.gen(function* () {
      yield* life({ invoke: () => Effect.never }, path, () => Effect.forEach(names(3), (id) => enqueue(id)))
      yield* life({}, path, () => turns).pipe(Effect.provide(logger))
      expect(log).toEqual(["3 events were running when Irori stopped; they run again"])
      log.length = 0
      yield* life({}, path, () => turns).pipe(Effect.provide(logger))
      expect(log).toEqual([])
    })
  })

  it.effect("gives up what has grown too old meanwhile", () => {
    const path = join(newFolder(), "events.db")
    return Effect.gen(function* () {
      yield* life({ invoke: () => Effect.never }, path, () => enqueue())
      yield* TestClock.adjust("6 hours")
      yield* life({}, path, (attempts) =>
        Effect.gen(function* () {
          expect(yield* idsOf(attempts)).toEqual([])
          expect(yield* failedIds).toEqual(["id-1 EventAgeExceeded"])
        })
      )
    })
  })
})

describe("draining", () => {
  it.effect("lets what runs end, starts nothing more, and still takes events for the next start", () => {
    const path = join(newFolder(), "events.db")
    const gate = Deferred.makeUnsafe<void>()
    const functions = [functionConfig({ maxCapacity: 1 })]
    return Effect.gen(function* () {
      yield* life({ functions, invoke: () => Effect.andThen(Deferred.await(gate), ok) }, path, (attempts) =>
        Effect.gen(function* () {
          yield* enqueue("running")
          yield* enqueue("waiting")
          const draining = yield* Effect.forkChild(AsyncInvoker.use((async) => async.drain))
          yield* turns
          expect(draining.pollUnsafe()).toBeUndefined()
          yield* enqueue("late")
          yield* Deferred.succeed(gate, undefined)
          yield* turns
          expect(draining.pollUnsafe()).toBeDefined()
          expect(yield* idsOf(attempts)).toEqual(["running"])
        })
      )
      yield* life({ functions }, path, (attempts) =>
        Effect.gen(function* () {
          expect(yield* idsOf(attempts)).toEqual(["waiting", "late"])
        })
      )
    })
  })
})

describe("a destination", () => {
  const heard = (answer: (request: IncomingMessage) => number) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const requests: Array<{ headers: IncomingMessage["headers"]; url: string; body: string }> = []
        const server = createServer((request, response) => {
          let body = ""
          request.on("data", (chunk) => {
            body += String(chunk)
          })
          request.on("end", () => {
            requests.push({ headers: request.headers, url: request.url ?? "", body })
            response.writeHead(answer(request)).end()
          })
        })
        await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const until = async (count: number) => {
          while (requests.length < count) await new Promise((next) => setImmediate(next))
          return requests
        }
        return { requests, server, url, until: (count: number) => Effect.promise(() => until(count)) }
      }),
      ({ server }) => Effect.promise(() => new Promise<void>((closed) => server.close(() => closed())))
    )

  const fileIn = (folder: string) => ({
    url: `file://${folder}/told/record.jsonl`,
    lines: Effect.promise(async () => {
      for (let turn = 0; turn < 2000; turn++) {
        try {
          const text = readFileSync(join(folder, "told/record.jsonl"), "utf8")
          if (text.endsWith("\n")) return text.trimEnd().split("\n")
        } catch {
          // It is not there yet.
        }
        await new Promise((next) => setImmediate(next))
      }
      return []
    })
  })

  const payload = new TextEncoder().encode('{"big":12345678901234567890,\n"the": "event"}')

  it.effect("in a file gets the record of a success as a line, with the event as it came", () => {
    const folder = newFolder()
    const file = fileIn(folder)
    const { layer } = asyncInvoking({
      settings: { onSuccess: file.url },
      options: {
        destinations: {
          owner: { region: "us-east-1", accountId: "123456789012" },
          mapped: new Map(),
          fileRoots: [folder]
        }
      }
    })
    return Effect.gen(function* () {
      yield* enqueue("id-1", { payload })
      expect(yield* file.lines).toEqual([
        '{"version":"1.0","timestamp":"1970-01-01T00:00:00.000Z","requestContext":{"requestId":"id-1",' +
          '"functionArn":"arn:aws:lambda:us-east-1:123456789012:function:hello:$LATEST","condition":"Success",' +
          '"approximateInvokeCount":1},"requestPayload":{"big":12345678901234567890, "the": "event"},' +
          '"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":"done"}'
      ])
    }).pipe(Effect.provide(layer))
  })

  it.effect("in a file begins a line of its own after one that was cut short", () => {
    const folder = newFolder()
    const path = join(folder, "record.jsonl")
    writeFileSync(path, '{"cut":')
    const { layer } = asyncInvoking({
      settings: { onSuccess: `file://${path}` },
      options: {
        destinations: {
          owner: { region: "us-east-1", accountId: "123456789012" },
          mapped: new Map(),
          fileRoots: [folder]
        }
      }
    })
    return Effect.gen(function* () {
      yield* enqueue("id-1")
      yield* Effect.promise(async () => {
        while (!readFileSync(path, "utf8").endsWith("\n")) await new Promise((next) => setImmediate(next))
      })
      const [first, second] = readFileSync(path, "utf8").split("\n")
      expect(first).toBe('{"cut":')
      expect(JSON.parse(second!)).toMatchObject({ requestContext: { requestId: "id-1" } })
    }).pipe(Effect.provide(layer))
  })

  it.effect("of failures gets the record of one, and nothing of it is kept", () =>
    Effect.gen(function* () {
      const server = yield* heard(() => 204)
      const { layer } = asyncInvoking({
        invoke: () => failed,
        settings: { onFailure: `${server.url}/told?a=1`, maxRetries: 0 }
      })
      yield* Effect.gen(function* () {
        yield* enqueue("id-1", { qualifier: "$LATEST" })
        const [request] = yield* server.until(1)
        expect(request).toMatchObject({ url: "/told?a=1", headers: { "content-type": "application/json" } })
        expect(JSON.parse(request!.body)).toEqual({
          version: "1.0",
          timestamp: "1970-01-01T00:00:00.000Z",
          requestContext: {
            requestId: "id-1",
            functionArn: "arn:aws:lambda:us-east-1:123456789012:function:hello:$LATEST",
            condition: "RetriesExhausted",
            approximateInvokeCount: 1
          },
          requestPayload: {},
          responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
          responsePayload: { errorType: "Error", errorMessage: "no" }
        })
        yield* turns
        expect(yield* failedIds).toEqual([])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is told again until it has heard, also after a restart", () => {
    const path = join(newFolder(), "events.db")
    return Effect.gen(function* () {
      const answers = [500, 503, 200]
      const server = yield* heard(() => answers.shift() ?? 200)
      const script = { settings: { onSuccess: server.url } }
      yield* life(script, path, () =>
        Effect.gen(function* () {
          yield* enqueue()
          yield* server.until(1)
          yield* turns
        })
      )
      yield* life(script, path, () =>
        Effect.gen(function* () {
          yield* turns
          expect(server.requests).toHaveLength(1)
          yield* TestClock.adjust("1 second")
          yield* server.until(2)
          yield* turns
          yield* TestClock.adjust("2 seconds")
          yield* server.until(3)
          yield* turns
          yield* TestClock.adjust("1 hour")
          yield* turns
          expect(server.requests).toHaveLength(3)
        })
      )
    }).pipe(Effect.provide(Logger.layer([])))
  })

  it.effect("that never hears is given up after twenty tries; a failure is then kept", () =>
    Effect.gen(function* () {
      const server = yield* heard(() => 500)
      const { layer } = asyncInvoking({ invoke: () => failed, settings: { onFailure: server.url, maxRetries: 0 } })
      yield* Effect.gen(function* () {
        yield* enqueue()
        for (let tries = 1; tries <= 20; tries++) {
          yield* server.until(tries)
          yield* turns
          expect(yield* failedIds).toEqual(tries < 20 ? [] : ["id-1 RetriesExhausted"])
          // No further than that: the next try has ten seconds for its answer.
          yield* TestClock.adjust(Duration.seconds(Math.min(2 ** (tries - 1), 300)))
        }
        yield* turns
        expect(server.requests).toHaveLength(20)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("that is a function is invoked with the record, under an id of its own", () => {
    const other = FunctionName.make("other")
    const { attempts, layer } = asyncInvoking({
      functions: [functionConfig(), functionConfig({ name: other })],
      settings: { onSuccess: "arn:aws:lambda:us-east-1:123456789012:function:other:$LATEST" },
      invoke: (attempt) => (attempt === 1 ? ok : Effect.never)
    })
    return Effect.gen(function* () {
      yield* enqueue()
      yield* Queue.take(attempts)
      const told = yield* Queue.take(attempts)
      expect(told).toMatchObject({ functionName: "other", qualifier: "$LATEST" })
      expect(told.requestId).toMatch(/^[0-9a-f-]{36}$/)
      expect(JSON.parse(new TextDecoder().decode(told.payload))).toMatchObject({
        requestContext: { requestId: "id-1", condition: "Success" },
        responsePayload: "done"
      })
    }).pipe(Effect.provide(layer))
  })

  it.effect("for what has failed, in the function's own settings, gets the bare event and why it failed", () =>
    Effect.gen(function* () {
      const server = yield* heard(() => 200)
      const { layer } = asyncInvoking({
        invoke: () => failed,
        functions: [functionConfig({ deadLetterTarget: server.url })],
        settings: { maxRetries: 0 }
      })
      yield* Effect.gen(function* () {
        yield* enqueue("id-1", { payload })
        const [request] = yield* server.until(1)
        expect(request?.body).toBe(new TextDecoder().decode(payload))
        expect(request?.headers).toMatchObject({ requestid: "id-1", errorcode: "200", errormessage: "no" })
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("that leads nowhere is told of in the log, and the failure is kept", () => {
    const log: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => void log.push([message].flat().join(" ")))])
    const queue = "arn:aws:sqs:us-east-1:123456789012:dead"
    const { layer } = asyncInvoking({
      invoke: (attempt) => (attempt === 1 ? failed : ok),
      functions: [functionConfig({ deadLetterTarget: queue })],
      settings: { maxRetries: 0, onSuccess: queue }
    })
    return Effect.gen(function* () {
      yield* enqueue("id-1")
      yield* turns
      expect(log[0]).toBe(`The destination ${queue} leads nowhere: nobody was told what became of an event`)
      expect(yield* failedIds).toEqual(["id-1 RetriesExhausted"])
      log.length = 0
      yield* enqueue("id-2")
      yield* turns
      expect(log).toEqual([`The destination ${queue} leads nowhere: nobody was told what became of an event`])
      expect(yield* failedIds).toEqual(["id-1 RetriesExhausted"])
    }).pipe(Effect.provide(layer), Effect.provide(logger))
  })

  it.effect("of AWS's is what the operator has put in its place, with an envelope where it is a bus", () =>
    Effect.gen(function* () {
      const server = yield* heard(() => 200)
      const bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
      const { layer } = asyncInvoking({
        settings: { onSuccess: bus },
        options: {
          destinations: {
            owner: { region: "us-east-1", accountId: "123456789012" },
            mapped: new Map([[bus, `${server.url}/bus`]]),
            fileRoots: []
          }
        }
      })
      yield* Effect.gen(function* () {
        yield* enqueue()
        const [request] = yield* server.until(1)
        expect(JSON.parse(request!.body)).toMatchObject({
          source: "lambda",
          "detail-type": "Lambda Function Invocation Result - Success",
          resources: [bus, "arn:aws:lambda:us-east-1:123456789012:function:hello:$LATEST"],
          detail: { requestContext: { requestId: "id-1" } }
        })
      }).pipe(Effect.provide(layer))
    })
  )
})

describe("events that failed and that nobody was told of", () => {
  const script = { invoke: () => failed, settings: { maxRetries: 0 } }

  it.effect("are kept over restarts, run again when asked to, and are then gone", () => {
    const path = join(newFolder(), "events.db")
    return Effect.gen(function* () {
      yield* life(script, path, () =>
        Effect.andThen(
          Effect.forEach(names(3), (id) => enqueue(id)),
          turns
        )
      )
      yield* life({}, path, (attempts) =>
        Effect.gen(function* () {
          const failed = yield* FailedEvents
          expect((yield* failed.list({ functionName: "hello" }, 0, 2)).events).toHaveLength(2)
          expect(yield* failed.redrive({ requestId: "id-2" })).toEqual({ redriven: 1, left: 0 })
          expect(yield* idsOf(attempts)).toEqual(["id-2"])
          expect(yield* failed.redrive({ functionName: "hell" })).toEqual({ redriven: 0, left: 0 })
          expect(yield* failed.redrive({ functionName: "hello" })).toEqual({ redriven: 2, left: 0 })
          expect(yield* idsOf(attempts)).toEqual(["id-1", "id-3"])
          expect(yield* failedIds).toEqual([])
        })
      )
    })
  })

  it.effect("can be dropped", () => {
    const { layer } = asyncInvoking(script)
    return Effect.gen(function* () {
      yield* Effect.forEach(names(3), (id) => enqueue(id))
      yield* turns
      const failed = yield* FailedEvents
      expect(yield* failed.discard({ requestId: "id-3" })).toBe(1)
      expect(yield* failed.discard({})).toBe(2)
      expect(yield* failedIds).toEqual([])
    }).pipe(Effect.provide(layer))
  })

  it.effect("are as many as may be, the latest ones", () => {
    const { layer } = asyncInvoking({ ...script, options: { maxFailed: 2 } })
    return Effect.gen(function* () {
      yield* Effect.forEach(names(6), (id) => enqueue(id))
      yield* turns
      expect(yield* failedIds).toEqual(["id-5 RetriesExhausted", "id-6 RetriesExhausted"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("are dropped when they have been kept long enough", () => {
    const { layer } = asyncInvoking({ ...script, options: { failedRetention: Duration.days(1) } })
    return Effect.gen(function* () {
      yield* enqueue()
      yield* turns
      yield* TestClock.adjust("1 day")
      yield* turns
      expect(yield* failedIds).toHaveLength(1)
      yield* TestClock.adjust("2 hours")
      yield* turns
      expect(yield* failedIds).toEqual([])
    }).pipe(Effect.provide(layer))
  })

  it.effect("go back only as far as there is room", () => {
    const functions = [functionConfig({ maxCapacity: 5 })]
    const path = join(newFolder(), "events.db")
    return Effect.gen(function* () {
      yield* life({ ...script, functions }, path, () =>
        Effect.andThen(
          Effect.forEach(names(5), (id) => enqueue(id)),
          turns
        )
      )
      yield* life({ functions, invoke: () => Effect.never, options: { maxEvents: 3 } }, path, () =>
        Effect.gen(function* () {
          const failed = yield* FailedEvents
          expect(yield* failed.redrive({})).toEqual({ redriven: 3, left: 2 })
        })
      )
    })
  })
})
