/** What was sent, what came of it, what was broken meanwhile; and whether the one explains the other. */

export interface Call {
  readonly token: string
  readonly sentMillis: number
  readonly endedMillis: number
  /** `answered`, `left` by its caller, `wrong` answer, `hung`; everything else is a failure's kind. */
  readonly kind: string
}

/** Something was broken on purpose. */
export interface Fault {
  readonly what: string
  readonly fromMillis: number
  readonly toMillis: number
  /** A worker runs one invocation at a time: its end explains one failure. An outage explains all that meet it. */
  readonly explains: "one" | "all" | "none"
}

export interface Remains {
  readonly containers: ReadonlyArray<string>
  readonly processes: ReadonlyArray<string>
}

const untroubled: ReadonlyArray<string> = ["answered", "left"]

export class Ledger {
  readonly calls: Array<Call> = []
  readonly faults: Array<Fault> = []

  /** Failures that no fault explains: each fault that ends one worker is used up by one of them. */
  unexplained(): ReadonlyArray<Call> {
    const failed = this.calls.filter(({ kind }) => ![...untroubled, "wrong", "hung"].includes(kind))
    const kills = this.faults.filter(({ explains }) => explains === "one")
    const left = new Set(kills.toSorted((one, other) => one.fromMillis - other.fromMillis))
    const outages = this.faults.filter(({ explains }) => explains === "all")
    const meets = (call: Call, fault: Fault) =>
      call.sentMillis <= fault.toMillis && fault.fromMillis <= call.endedMillis
    // Those that ended first take the earliest fault that they met, so that no later one lacks it without need.
    return failed
      .toSorted((one, other) => one.endedMillis - other.endedMillis)
      .filter((call) => {
        if (outages.some((outage) => meets(call, outage))) return false
        const fault = [...left].find((fault) => meets(call, fault))
        if (fault !== undefined) left.delete(fault)
        return fault === undefined
      })
  }

  count(kind: string): number {
    return this.calls.filter((call) => call.kind === kind).length
  }

  /** One line for each way in which the bar was not met. */
  verdict({ containers, processes }: Remains): ReadonlyArray<string> {
    const unexplained = this.unexplained()
    return [
      ...(this.count("answered") === 0 ? ["no invocation was answered"] : []),
      ...(this.count("hung") > 0 ? [`${this.count("hung")} invocations hung`] : []),
      ...(this.count("wrong") > 0 ? [`${this.count("wrong")} answers went to the wrong caller`] : []),
      ...unexplained.map(
        ({ endedMillis, kind, sentMillis }) =>
          `failed without a fault that explains it: ${kind}, sent at ${sentMillis} ms, ended at ${endedMillis} ms`
      ),
      ...containers.map((container) => `left behind: container ${container}`),
      ...processes.map((line) => `left behind: process ${line}`)
    ]
  }

  table({ containers, processes }: Remains): string {
    const kinds = new Set(this.calls.map(({ kind }) => kind))
    const failures = [...kinds].filter((kind) => !untroubled.includes(kind)).toSorted()
    const faults = Map.groupBy(this.faults, ({ what }) => what)
    const rows: ReadonlyArray<readonly [string, number]> = [
      ["invocations sent", this.calls.length],
      ["answered", this.count("answered")],
      ["left early", this.count("left")],
      ...failures.map((kind): [string, number] => [`failed: ${kind}`, this.count(kind)]),
      ["failed, and no fault explains it", this.unexplained().length],
      ...[...faults].map(([what, all]): [string, number] => [`done to it: ${what}`, all.length]),
      ["containers left", containers.length],
      ["processes left", processes.length]
    ]
    return rows.map(([what, count]) => `${what.padEnd(60)} ${String(count).padStart(7)}`).join("\n")
  }
}
