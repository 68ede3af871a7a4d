/** Many callers at once, each with a token that must come back to it and a deadline; a third leave before their answer. */
import type { Ledger } from "./Ledger.ts"
import { between, type Random, randomOf } from "./random.ts"

/** Past every time limit of Irori's: who has no answer by then will never have one. */
const deadlineMillis = 45_000

export interface CallersOptions {
  readonly ledger: Ledger
  readonly count: number
  readonly seed: number
  readonly nowMillis: () => number
  /** Where Irori is; waits while it is known to be down. */
  readonly url: () => Promise<string>
}

export const functionName = "busy"

export class Callers {
  readonly #options: CallersOptions
  #stopping = false
  readonly #all: Promise<unknown>

  constructor(options: CallersOptions) {
    this.#options = options
    this.#all = Promise.all(Array.from({ length: options.count }, (_, index) => this.#live(index)))
  }

  /** Lets those under way come to their end. */
  stop(): Promise<unknown> {
    this.#stopping = true
    return this.#all
  }

  async #live(index: number): Promise<void> {
    const random = randomOf(this.#options.seed * 1000 + index)
    while (!this.#stopping) {
      await Bun.sleep(between(random, 0, 200))
      await this.#call(random, random() < 1 / 3)
    }
  }

  async #call(random: Random, leaves: boolean): Promise<void> {
    const { ledger, nowMillis, url } = this.#options
    const token = crypto.randomUUID()
    const sleep = Math.round(between(random, 0, 120))
    const leave = leaves ? AbortSignal.timeout(Math.round(between(random, 1, 600))) : undefined
    const tooLate = AbortSignal.timeout(deadlineMillis)
    const target = await url()
    const sentMillis = nowMillis()
    const end = (kind: string) => void ledger.calls.push({ token, sentMillis, endedMillis: nowMillis(), kind })
    try {
      const answer = await fetch(`${target}/2015-03-31/functions/${functionName}/invocations`, {
        method: "POST",
        body: JSON.stringify({ token, sleep }),
        signal: leave === undefined ? tooLate : AbortSignal.any([leave, tooLate])
      })
      end(kindOf(answer.status, answer.headers, await answer.text(), token))
    } catch (error) {
      if (tooLate.aborted) end("hung")
      else if (leave?.aborted === true) end("left")
      else end(`connection: ${codeOf(error)}`)
    }
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error ? String("code" in error ? error.code : error.name) : String(error)

const kindOf = (status: number, headers: Headers, text: string, token: string): string => {
  if (status !== 200) return `${status} ${headers.get("x-amzn-errortype") ?? text.slice(0, 60)}`
  if (headers.get("x-amz-function-error") !== null) {
    const { errorType }: { errorType?: string } = JSON.parse(text)
    return `function error ${errorType}`
  }
  const { token: came }: { token?: string } = JSON.parse(text)
  return came === token ? "answered" : "wrong"
}
