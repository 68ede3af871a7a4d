/** One burst of load by `wrk`, and what it measured. */
import { execFileSync, spawnSync } from "node:child_process"
import { join } from "node:path"

export interface Burst {
  readonly perSecond: number
  readonly p50Millis: number
  readonly p99Millis: number
  readonly failed: number
}

export const hasWrk = (): boolean => spawnSync("wrk", ["--version"]).error === undefined

const millis = (text: string | undefined): number => {
  const [, number, unit] = /^([\d.]+)(us|ms|s)$/.exec(text ?? "") ?? []
  if (number === undefined) throw new Error(`no latency in wrk's output: ${text}`)
  return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"]
}

/** `callers` connections, each with one request at a time, for `seconds`. */
export const burst = (url: string, callers: number, seconds: number): Burst => {
  const script = join(import.meta.dirname, "post.lua")
  const output = execFileSync("wrk", ["-t1", `-c${callers}`, `-d${seconds}s`, "--latency", "-s", script, url], {
    encoding: "utf8"
  })
  const of = (pattern: RegExp) => pattern.exec(output)?.[1]
  return {
    perSecond: Number(of(/Requests\/sec:\s+([\d.]+)/)),
    p50Millis: millis(of(/^\s+50%\s+(\S+)/m)),
    p99Millis: millis(of(/^\s+99%\s+(\S+)/m)),
    failed: Number(of(/Non-2xx or 3xx responses: (\d+)/) ?? 0) + Number(of(/read (\d+), write/) ?? 0)
  }
}

/** The middle one of several; of an even number the upper of the two. */
export const median = (numbers: ReadonlyArray<number>): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
