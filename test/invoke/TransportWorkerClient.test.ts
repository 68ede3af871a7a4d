import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Transport } from "../../src/domain/FunctionConfig.ts"
import * as TransportWorkerClient from "../../src/invoke/TransportWorkerClient.ts"
import { WorkerClient } from "../../src/invoke/WorkerClient.ts"
import { functionConfig, invocation, worker } from "../support/functions.ts"

const answering = (text: string) =>
  Layer.succeed(WorkerClient, { send: () => Effect.succeed({ payload: new TextEncoder().encode(text) }) })

const layer = TransportWorkerClient.layer({ "runtime-api": answering("asked"), rie: answering("posted") })

describe("TransportWorkerClient", () => {
  it.effect.each([
    ["runtime-api", "asked"],
    ["rie", "posted"]
  ] as const)("sends the event of a worker with %s its own way", ([transport, way]: readonly [Transport, string]) =>
    Effect.gen(function* () {
      const client = yield* WorkerClient
      const answer = yield* client.send(worker("w", { transport }), functionConfig(), invocation())
      expect(new TextDecoder().decode(answer.payload)).toBe(way)
    }).pipe(Effect.provide(layer))
  )

  it.effect("sends an event whose log is asked for to whoever can tell it, whatever its worker takes", () => {
    const layer = TransportWorkerClient.layer({
      "runtime-api": answering("asked"),
      rie: answering("posted"),
      tails: "runtime-api"
    })
    return Effect.gen(function* () {
      const client = yield* WorkerClient
      const ways = yield* Effect.forEach([{ logTail: true }, {}], (settings) =>
        client.send(worker("w", { transport: "rie" }), functionConfig(), invocation(settings))
      )
      expect(ways.map(({ payload }) => new TextDecoder().decode(payload))).toEqual(["asked", "posted"])
    }).pipe(Effect.provide(layer))
  })
})
