/** What containers print, when the engine does not hand it on in one piece. */
import { expect, it } from "@effect/vitest"
import { Effect, PubSub, Schedule } from "effect"
import { describe } from "vitest"
import { Provisioner } from "../../src/provision/Provisioner.ts"
import { answer, deliver } from "../support/delivery.ts"
import { engine } from "../support/docker.ts"
import { dockerLayer, imageFunction, newInstance } from "../support/dockerSubjects.ts"
import { engineProxy } from "../support/engineProxy.ts"
import { workerImage } from "../support/images.ts"
import { workerLog } from "../support/workerLog.ts"

const image = await workerImage()
const logs = /^GET \/containers\/[^/]+\/logs/

describe("the log of a container", () => {
  if ("missing" in image) {
    it.skip(`is not tested here: ${image.missing}`)
    return
  }

  /** A worker behind a proxy, and the lines that arrived of it, the one that says that it is up left out. */
  const setUp = Effect.gen(function* () {
    const proxy = yield* engineProxy()
    const { layer, lines } = workerLog()
    const place = dockerLayer(newInstance(), {}, { host: proxy.host }, layer)
    const texts = () => lines.slice(1).map(({ text }) => text)
    const until = (count: number) =>
      Effect.repeat(Effect.sync(texts), {
        until: (seen) => seen.length >= count,
        schedule: Schedule.spaced("10 millis")
      })
    return { place, proxy, texts, until }
  })
  /** Waits until the engine has it. */
  const printed = (id: string, text: string) =>
    Effect.repeat(
      Effect.promise(() => engine("GET", `/containers/${id}/logs?stdout=1`).then((answer) => answer.text())),
      { until: (all) => all.includes(text), schedule: Schedule.spaced("20 millis") }
    )

  it.live("is read on where the engine broke it off, with nothing lost and nothing twice", () =>
    Effect.gen(function* () {
      const { place, proxy, texts, until } = yield* setUp
      yield* Effect.gen(function* () {
        const worker = yield* (yield* Provisioner).start(imageFunction(image.name))
        yield* answer(worker, { print: "one" })
        yield* until(1)
        for (const [index, text] of ["two", "three", "four"].entries()) {
          proxy.when(logs, { is: index === 1 ? "break" : "drop" })
          proxy.cut(logs)
          yield* answer(worker, { print: `${text} while nobody reads` })
          yield* printed(worker.id, text)
          proxy.release()
          yield* answer(worker, { print: text })
          yield* until(3 + 2 * index)
        }
      }).pipe(Effect.provide(place))
      expect(texts()).toEqual([
        "one",
        ...["two", "three", "four"].flatMap((text) => [`${text} while nobody reads`, text])
      ])
    }).pipe(Effect.scoped)
  )

  it.live("is read to its end where it broke off before the container ended, and then no more", () =>
    Effect.gen(function* () {
      const { place, proxy, texts, until } = yield* setUp
      yield* Effect.gen(function* () {
        const provisioner = yield* Provisioner
        const deaths = yield* PubSub.subscribe(provisioner.deaths)
        const worker = yield* provisioner.start(imageFunction(image.name))
        yield* answer(worker, { print: "one" })
        yield* until(1)
        proxy.cut(logs)
        yield* Effect.forkChild(deliver(worker, { print: "and then", exit: 9 }))
        yield* PubSub.take(deaths)
        yield* provisioner.stop(worker.id)
        const asked = proxy.seen.filter((request) => logs.test(request)).length
        yield* Effect.sleep("400 millis")
        expect(proxy.seen.filter((request) => logs.test(request)).length).toBe(asked)
      }).pipe(Effect.provide(place))
      expect(texts()).toEqual(["one", "and then"])
    }).pipe(Effect.scoped)
  )
})
