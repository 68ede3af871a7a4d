import { Schema } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { bins, IdleHistogram, IdleHistogramState, leastSamples, mostSamples } from "../../src/pool/IdleHistogram.ts"

const minute = 60_000
const of = (...idleMinutes: ReadonlyArray<number>) => {
  const histogram = new IdleHistogram()
  for (const minutes of idleMinutes) histogram.record(minutes * minute)
  return histogram
}
const times = (count: number, minutes: number): ReadonlyArray<number> => Array.from({ length: count }, () => minutes)
const inMinutes = (histogram: IdleHistogram) => {
  const found = histogram.keepAlive()
  return found && [found.preWarmMillis / minute, found.keepAliveMillis / minute].map(rounded)
}
const rounded = (number: number) => Math.round(number * 1e6) / 1e6
/** Windows from the beginning of one minute to the end of another, with their margins. */
const windows = (from: number, to: number) => [rounded(0.9 * from), rounded(1.1 * to)]

/** An idle time of anything from none to past the bounds, most often a short one. */
const idleMillis = fc.oneof(fc.integer({ min: 0, max: 10 * minute }), fc.integer({ min: 0, max: 2 * bins * minute }))

describe("IdleHistogram", () => {
  it("has a job that runs every hour started just before the hour and gone soon after", () => {
    // Its invocation takes some seconds, so it is idle for a little less than an hour.
    expect(inMinutes(of(...times(24, 59.8)))).toEqual(windows(59, 60))
  })

  it("keeps the workers of steady traffic, and no longer than it is ever idle", () => {
    expect(inMinutes(of(...times(500, 0.01)))).toEqual(windows(0, 1))
  })

  it("keeps the workers of bursts from one to the next", () => {
    // Ninety calls in a row, a quarter of an hour's rest, and again.
    const burst = [...times(90, 0.02), 15.5]
    expect(inMinutes(of(...times(8, 0).flatMap(() => burst)))).toEqual(windows(0, 16))
  })

  it("leaves out the rarest twentieth below and the rarest hundredth above", () => {
    expect(inMinutes(of(...times(4, 1), ...times(95, 20), 200))).toEqual(windows(20, 21))
    expect(inMinutes(of(...times(5, 1), ...times(93, 20), ...times(2, 200)))).toEqual(windows(1, 201))
  })

  it("says nothing of a function that was idle too few times, and something from the next one on", () => {
    expect(inMinutes(of(...times(leastSamples - 1, 30)))).toBeUndefined()
    expect(inMinutes(of(...times(leastSamples, 30)))).toEqual(windows(30, 31))
  })

  it("says nothing where every idle time is as likely as any other", () => {
    expect(inMinutes(of(...Array.from({ length: 2 * bins }, (_, index) => index % bins)))).toBeUndefined()
  })

  it("says nothing below a variation of 2, and something on it", () => {
    // Counts of one in a fifth of the bins: the variation is the root of 5 - 1.
    const spread = (used: number) => of(...Array.from({ length: used }, (_, index) => index))
    expect(inMinutes(spread(bins / 5 + 1))).toBeUndefined()
    expect(inMinutes(spread(bins / 5))).toEqual(windows(2, 48))
  })

  it("says nothing where more than half of the idle times are out of bounds, and leaves those out otherwise", () => {
    expect(inMinutes(of(...times(10, 30), ...times(11, bins)))).toBeUndefined()
    expect(inMinutes(of(...times(10, 30), ...times(10, bins)))).toEqual(windows(30, 31))
  })

  it("follows a function that has changed", () => {
    const histogram = of(...times(mostSamples, 30))
    for (let i = 0; i < 8 * mostSamples; i++) histogram.record(2.5 * minute)
    expect(inMinutes(histogram)).toEqual(windows(2, 3))
  })

  it("gives windows that hold at least nine tenths of what it was told, whatever that was", () => {
    fc.assert(
      fc.property(fc.array(idleMillis, { maxLength: 300 }), (idle) => {
        const histogram = new IdleHistogram()
        for (const millis of idle) histogram.record(millis)
        const windows = histogram.keepAlive()
        if (windows === undefined) return
        const { keepAliveMillis, preWarmMillis } = windows
        expect(preWarmMillis).toBeGreaterThanOrEqual(0)
        expect(preWarmMillis).toBeLessThan(keepAliveMillis)
        expect(keepAliveMillis).toBeLessThanOrEqual(1.1 * bins * minute)
        const inBounds = idle.filter((millis) => millis < bins * minute)
        const held = inBounds.filter((millis) => millis >= preWarmMillis && millis <= keepAliveMillis)
        expect(held.length).toBeGreaterThanOrEqual(0.9 * inBounds.length)
      }),
      { numRuns: 500 }
    )
  })

  it("goes on from its JSON as if it had never been written", () => {
    const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.toCodecJson(IdleHistogramState)))
    fc.assert(
      fc.property(
        fc.array(idleMillis, { maxLength: 100 }),
        fc.array(idleMillis, { maxLength: 50 }),
        (before, after) => {
          const histogram = new IdleHistogram()
          for (const millis of before) histogram.record(millis)
          const restored = new IdleHistogram(decode(JSON.stringify(histogram)))
          for (const each of [histogram, restored]) for (const millis of after) each.record(millis)
          expect(restored.keepAlive()).toEqual(histogram.keepAlive())
          expect(restored.toJSON()).toEqual(histogram.toJSON())
        }
      ),
      { numRuns: 200 }
    )
  })

  it("takes no more room however much it is told", () => {
    const histogram = new IdleHistogram()
    for (let i = 0; i < 20 * mostSamples; i++) histogram.record((i % (bins + 5)) * minute)
    expect(histogram.samples).toBeLessThan(mostSamples)
    expect(histogram.toJSON().minutes.length).toBeLessThanOrEqual(bins)
  })

  it("takes a clock that was set back for no idle time", () => {
    const histogram = new IdleHistogram()
    histogram.record(-5 * minute)
    expect(histogram.toJSON()).toEqual({ minutes: [[0, 1]], outOfBounds: 0 })
  })
})
