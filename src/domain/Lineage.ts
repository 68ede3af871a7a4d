/**
 * The trail of functions that called functions, in the `Lineage` of a trace id: which function, and how often already.
 * It is how a function that invokes itself without end is known (Lambda Developer Guide, "Use Lambda recursive loop
 * detection to prevent infinite loops"). The form `1:<8 hex digits>:<count>`, joined by `|`, is the one AWS's has been
 * seen in; clients hand it on as it came.
 */

import { keepLast } from "./keepLast.ts"

/** A function may be invoked so often in one chain of calls; the next one is refused. */
export const maxChainedInvocations = 16

/** How often the function that a trace id of `invocationHop` leads to was invoked in the chain before. */
export const chainedInvocations = (traceId: string): number => {
  // The step of this invocation is the last thing in it; without a lineage there is no colon.
  const colon = traceId.lastIndexOf(":")
  return colon === -1 ? 0 : Number.parseInt(traceId.slice(colon + 1), 10) || 0
}

/** Steps that are remembered: more would not fit the header. Of a longer chain the oldest functions are forgotten. */
const maxSteps = 10

const step = /^1:([0-9a-f]{8}):(\d{1,3})$/

/** What stands for a function in the trail: FNV-1a, 32 bits. That two functions share one is harmless and rare. */
const markOf = keepLast((arn: string): string => {
  let hash = 0x811c9dc5
  for (let index = 0; index < arn.length; index++) {
    hash = Math.imul(hash ^ arn.charCodeAt(index), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, "0")
})

export interface LineageStep {
  /** The trail with this invocation in it. */
  readonly lineage: string
  /** How often this function was invoked in the chain before. */
  readonly before: number
}

/** The trail after `arn`, a function without its qualifier, is invoked by something that has `lineage`. */
export const extendLineage = (lineage: string | undefined, arn: string): LineageStep => {
  const mark = markOf(arn)
  if (lineage === undefined) return { lineage: `1:${mark}:0`, before: 0 }
  let before = 0
  const others: Array<string> = []
  for (const text of lineage.split("|")) {
    const [, of, count] = step.exec(text) ?? []
    if (of === undefined) continue
    if (of === mark) before = Number(count) + 1
    else others.push(text)
  }
  return { lineage: [...others.slice(1 - maxSteps), `1:${mark}:${before}`].join("|"), before }
}
