/** One burst of load by `wrk`, whose callers each wait for their answer before they send again, and what it measured. */
import { execFile, spawnSync } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"

export interface Burst {
  readonly perSecond: number
  readonly p50Millis: number
  readonly p99Millis: number
}

/** Why `burst` cannot be used here; undefined where it can. */
export const noWrk: string | undefined =
  spawnSync("wrk", ["--version"]).error === undefined ? undefined : "it needs wrk, Debian's package of that name"

const millis = (text: string | undefined): number => {
  const [, number, unit] = /^([\d.]+)(us|ms|s)$/.exec(text ?? "") ?? []
  if (number === undefined) throw new Error(`no latency in wrk's output: ${text}`)
  return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"]
}

const run = promisify(execFile)

export interface Event {
  /** Of the event; 1 KiB unless it says otherwise. */
  readonly bytes?: number
  /** A file whose content is the event. */
  readonly file?: string
}

/** `callers` connections for `seconds`, of which wrk takes whole ones. A request that fails makes the burst worthless. */
export const burst = async (url: string, callers: number, seconds: number, event: Event = {}): Promise<Burst> => {
  const script = join(import.meta.dirname, "post.lua")
  const duration = `-d${Math.max(1, Math.round(seconds))}s`
  const args = ["-t1", `-c${callers}`, duration, "--timeout", "30s", "--latency", "-s", script, url, "--"]
  const { stdout } = await run("wrk", [
    ...args,
    String(event.bytes ?? 1024),
    ...(event.file === undefined ? [] : [event.file])
  ])
  const of = (pattern: RegExp) => pattern.exec(stdout)?.[1]
  const failed = Number(of(/Non-2xx or 3xx responses: (\d+)/) ?? 0) + Number(of(/read (\d+), write/) ?? 0)
  const perSecond = Number(of(/Requests\/sec:\s+([\d.]+)/))
  if (failed > 0 || !(perSecond > 0))
    throw new Error(`${failed} requests failed at ${url}: these numbers say nothing\n${stdout}`)
  return { perSecond, p50Millis: millis(of(/^\s+50%\s+(\S+)/m)), p99Millis: millis(of(/^\s+99%\s+(\S+)/m)) }
}

/**
 * How long a server is under load before its numbers count: warm is what the runtime's compilers are done with, and they
 * were seen at work for about so long (by `BUN_JSC_reportCompileTimes`: 100 compilations a second at first, ten or fewer
 * after it). Each side has the same.
 */
const compilingSeconds = 8

/** Puts each of `urls` under load until it is warm. */
export const compiled = async (
  urls: ReadonlyArray<string>,
  scale: { readonly isShort: boolean },
  event: Event = {}
): Promise<void> => {
  if (scale.isShort) return
  for (const url of urls) await burst(url, 32, compilingSeconds, event)
}
