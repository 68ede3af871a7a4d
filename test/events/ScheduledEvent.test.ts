import { describe, expect, it } from "vitest"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Schedule } from "../../src/domain/Schedule.ts"
import { scheduledEvent } from "../../src/events/ScheduledEvent.ts"
import { firing } from "../../src/schedules/firing.ts"

const owner = { region: "us-east-2", accountId: "123456789012" }
const dueMillis = Date.parse("2024-06-13T12:30:00Z")
const id = "37666ae6-48cf-4285-b4c6-a3320b38824a"

const schedule = (settings: Partial<Schedule> = {}): Schedule => ({
  name: "nightly",
  kind: "rule",
  functionName: FunctionName.make("report"),
  expression: "rate(1 minute)",
  isEnabled: true,
  ...settings
})

const eventOf = (settings: Partial<Schedule>): unknown =>
  JSON.parse(scheduledEvent({ schedule: schedule(settings), dueMillis, id }, owner))

describe("scheduledEvent", () => {
  it("is EventBridge's for a rule", () => {
    expect(eventOf({})).toEqual({
      version: "0",
      id,
      "detail-type": "Scheduled Event",
      source: "aws.events",
      account: "123456789012",
      time: "2024-06-13T12:30:00Z",
      region: "us-east-2",
      resources: ["arn:aws:events:us-east-2:123456789012:rule/nightly"],
      detail: {}
    })
  })

  it("is EventBridge Scheduler's for a schedule, whose detail is a text", () => {
    expect(eventOf({ kind: "schedule" })).toEqual({
      version: "0",
      id,
      "detail-type": "Scheduled Event",
      source: "aws.scheduler",
      account: "123456789012",
      time: "2024-06-13T12:30:00Z",
      region: "us-east-2",
      resources: ["arn:aws:scheduler:us-east-2:123456789012:schedule/default/nightly"],
      detail: "{}"
    })
    expect(eventOf({ kind: "schedule", group: "reports" })).toMatchObject({
      resources: ["arn:aws:scheduler:us-east-2:123456789012:schedule/reports/nightly"]
    })
  })

  it("is the input, byte for byte, where there is one", () => {
    const input = '{ "a" : 1.0, "at": "<aws.scheduler.scheduled-time>" }'
    expect(scheduledEvent({ schedule: schedule({ input }), dueMillis, id }, owner)).toBe(input)
  })

  it("has EventBridge Scheduler's attributes where a schedule's input names them", () => {
    const input = JSON.stringify({
      arn: "<aws.scheduler.schedule-arn>",
      text: "at <aws.scheduler.scheduled-time>, <aws.scheduler.execution-id>",
      attempt: "<aws.scheduler.attempt-number>",
      other: "<aws.scheduler.nothing>"
    })
    expect(eventOf({ kind: "schedule", input })).toEqual({
      arn: "arn:aws:scheduler:us-east-2:123456789012:schedule/default/nightly",
      text: `at 2024-06-13T12:30:00Z, ${id}`,
      attempt: "1",
      other: "<aws.scheduler.nothing>"
    })
  })
})

describe("firing", () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

  it("is the same invocation for the same due time, and another one for any other", () => {
    const one = firing(schedule({ qualifier: "live" }), dueMillis, owner)
    expect(firing(schedule({ qualifier: "live" }), dueMillis, owner)).toEqual(one)
    expect(one).toMatchObject({
      functionName: "report",
      qualifier: "live",
      requestId: expect.stringMatching(uuid),
      traceId: expect.stringMatching(/^Root=1-666ae648-[0-9a-f]{24};Sampled=0$/)
    })
    const ids = [
      one,
      firing(schedule({ qualifier: "live" }), dueMillis + 60_000, owner),
      firing(schedule(), dueMillis, owner),
      firing(schedule({ name: "hourly" }), dueMillis, owner)
    ].map(({ requestId }) => requestId)
    expect(new Set(ids).size).toBe(4)
    expect(JSON.parse(new TextDecoder().decode(one.payload)).id).toMatch(uuid)
  })
})
