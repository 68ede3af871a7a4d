import fc from "fast-check"
import { expect, it } from "vitest"
import { jsonAccessLine, messageOf } from "../../src/log/AccessLog.ts"
import { jsonLine } from "../../src/log/logger.ts"

const entry = fc.record({
  trace_id: fc.stringMatching(/^1-[0-9a-f]{8}-[0-9a-f]{24}$/),
  aws_request_id: fc.uuid(),
  method: fc.constantFrom("GET", "POST", "OPTIONS"),
  path: fc.string({ unit: "binary" }),
  status: fc.oneof(fc.integer({ min: 100, max: 599 }), fc.constantFrom("OK", "I'm a teapot")),
  latency_ms: fc.integer({ min: 0, max: 900_000 }).map((hundredths) => hundredths / 100),
  user_agent: fc.string({ unit: "grapheme" }),
  client_ip: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant(""))
})

it("a line of the access log is what the logger would make of it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), entry, (millis, asked) => {
      expect(jsonAccessLine(millis, asked)).toBe(jsonLine(new Date(millis), "INFO", messageOf(asked), { ...asked }))
    })
  )
})
