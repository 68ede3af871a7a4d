import { describe, expect, it } from "vitest"
import { chainedInvocations, extendLineage, maxChainedInvocations } from "../../src/domain/Lineage.ts"
import { formatTraceId, invocationHop, newTraceId, parseTraceId } from "../../src/domain/TraceId.ts"

const arn = (name: string) => `arn:aws:lambda:us-east-1:000000000000:function:${name}`

/** The trail after functions of these names have called each other in turn. */
const trail = (names: ReadonlyArray<string>, start?: string) =>
  names.reduce<string | undefined>((lineage, name) => extendLineage(lineage, arn(name)).lineage, start)

describe("Lineage", () => {
  it("counts how often a function was invoked in one chain", () => {
    expect(extendLineage(undefined, arn("a")).before).toBe(0)
    expect(extendLineage(trail(["a"]), arn("a")).before).toBe(1)
    expect(extendLineage(trail(["a", "a", "a"]), arn("a")).before).toBe(3)
  })

  it("counts each of the functions that call each other", () => {
    const lineage = trail(["a", "b", "a", "b", "a"])
    expect(extendLineage(lineage, arn("a")).before).toBe(3)
    expect(extendLineage(lineage, arn("b")).before).toBe(2)
    expect(extendLineage(lineage, arn("c")).before).toBe(0)
  })

  it("tells functions apart by their whole ARN", () => {
    const elsewhere = arn("a").replace("us-east-1", "eu-west-1")
    expect(extendLineage(trail(["a"]), elsewhere).before).toBe(0)
  })

  it("comes back whole through the header of a trace id", () => {
    const lineage = trail(Array.from({ length: maxChainedInvocations }, () => ["a", "b"]).flat())
    const header = formatTraceId({ root: `1-68000000-${"a".repeat(24)}`, sampled: "0", lineage: lineage! })
    expect(extendLineage(parseTraceId(header)?.lineage, arn("a")).before).toBe(maxChainedInvocations)
  })

  it("stays fit for a header however many functions there are, and forgets the oldest", () => {
    const many = Array.from({ length: 200 }, (_, index) => `f${index}`)
    const lineage = trail(many)!
    expect(parseTraceId(`Root=1-68000000-${"a".repeat(24)};Lineage=${lineage}`)?.lineage).toBe(lineage)
    expect(extendLineage(lineage, arn("f199")).before).toBe(1)
    expect(extendLineage(lineage, arn("f0")).before).toBe(0)
  })

  it("is read off the trace id of an invocation: how often its own function was invoked before", () => {
    const begun = newTraceId(0, "a".repeat(24))
    expect(chainedInvocations("")).toBe(0)
    expect(chainedInvocations(formatTraceId(begun))).toBe(0)
    const hops = ["a", "a", "b", "a"]
    const seen: Array<number> = []
    hops.reduce((header, name) => {
      const hop = formatTraceId(invocationHop(parseTraceId(header) ?? begun, arn(name)))
      seen.push(chainedInvocations(hop))
      return hop
    }, formatTraceId(begun))
    expect(seen).toEqual([0, 1, 0, 2])
  })

  it("passes over what it cannot read", () => {
    expect(extendLineage("nonsense|1:zz:1|25:abc", arn("a"))).toEqual({ ...extendLineage(undefined, arn("a")) })
  })
})
