/**
 * What the Telemetry API and its predecessor, the Logs API, tell of a worker, in the words of each. Values only.
 * Left out is what Irori does not measure: the memory that an invocation took, its spans.
 */

export type TelemetryType = "platform" | "function" | "extension"

/** The schemas there are, by `schemaVersion`. */
export const telemetrySchemas = ["2022-07-01", "2022-12-13"] as const
export const logsSchemas = ["2020-08-15", "2021-03-18"] as const
export type TelemetrySchema = (typeof telemetrySchemas)[number] | (typeof logsSchemas)[number]

export interface TelemetryRecord {
  readonly type: string
  readonly record: unknown
}

/** The worker that is told of. */
export interface TelemetrySubject {
  readonly functionName: string
  readonly functionVersion: string
  readonly initializationType: string
  readonly memoryMegabytes: number
  /** Lambda's name for the runtime; absent for images. */
  readonly runtime?: string
}

/** Something that happened to a worker. */
export type Happening =
  | { readonly is: "initStart" }
  | { readonly is: "initDone"; readonly ok: boolean; readonly errorType?: string; readonly durationMillis: number }
  | {
      readonly is: "extension"
      readonly name: string
      readonly state: string
      readonly events: ReadonlyArray<string>
      readonly errorType?: string
    }
  | { readonly is: "subscribed"; readonly name: string; readonly types: ReadonlyArray<string> }
  | { readonly is: "start"; readonly requestId: string; readonly traceId: string }
  | ({ readonly is: "runtimeDone" } & Ended)
  | ({ readonly is: "report"; readonly initMillis: number | undefined } & Ended)
  | { readonly is: "dropped"; readonly records: number; readonly bytes: number }

/** How an invocation went. */
export interface Ended {
  readonly requestId: string
  readonly traceId: string
  readonly status: "success" | "error" | "failure" | "timeout"
  readonly errorType?: string
  readonly durationMillis: number
  readonly producedBytes: number
}

const isLogs = (schema: TelemetrySchema): boolean => logsSchemas.some((known) => known === schema)

/** The records that tell of it, in a schema; some know less. */
export const recordsOf = (
  schema: TelemetrySchema,
  subject: TelemetrySubject,
  happening: Happening
): ReadonlyArray<TelemetryRecord> =>
  isLogs(schema) ? logsRecords(schema, subject, happening) : telemetryRecords(subject, happening)

const round = (millis: number): number => Math.round(millis * 1000) / 1000

const errorOf = ({ errorType }: { readonly errorType?: string }) => (errorType === undefined ? {} : { errorType })

const tracing = (traceId: string) =>
  traceId === "" ? {} : { tracing: { type: "X-Amzn-Trace-Id" as const, value: traceId } }

const reportMetrics = (subject: TelemetrySubject, durationMillis: number, initMillis: number | undefined) => ({
  durationMs: round(durationMillis),
  billedDurationMs: Math.ceil(durationMillis),
  memorySizeMB: subject.memoryMegabytes,
  ...(initMillis === undefined ? {} : { initDurationMs: round(initMillis) })
})

const telemetryRecords = (subject: TelemetrySubject, happening: Happening): ReadonlyArray<TelemetryRecord> => {
  const init = { initializationType: subject.initializationType, phase: "init" }
  switch (happening.is) {
    case "initStart":
      return [
        {
          type: "platform.initStart",
          record: {
            ...init,
            ...(subject.runtime === undefined ? {} : { runtimeVersion: subject.runtime }),
            functionName: subject.functionName,
            functionVersion: subject.functionVersion,
            instanceMaxMemory: subject.memoryMegabytes * 1024 * 1024
          }
        }
      ]
    case "initDone":
      return [
        {
          type: "platform.initRuntimeDone",
          record: { ...init, status: happening.ok ? "success" : "error", ...errorOf(happening) }
        },
        {
          type: "platform.initReport",
          record: {
            ...init,
            status: happening.ok ? "success" : "error",
            ...errorOf(happening),
            metrics: { durationMs: round(happening.durationMillis) }
          }
        }
      ]
    case "extension":
      return [{ type: "platform.extension", record: extensionRecord(happening) }]
    case "subscribed":
      return [{ type: "platform.telemetrySubscription", record: subscriptionRecord(happening) }]
    case "start":
      return [
        {
          type: "platform.start",
          record: { requestId: happening.requestId, version: subject.functionVersion, ...tracing(happening.traceId) }
        }
      ]
    case "runtimeDone":
      return [
        {
          type: "platform.runtimeDone",
          record: {
            requestId: happening.requestId,
            status: happening.status,
            ...errorOf(happening),
            ...tracing(happening.traceId),
            metrics: { durationMs: round(happening.durationMillis), producedBytes: happening.producedBytes }
          }
        }
      ]
    case "report":
      return [
        {
          type: "platform.report",
          record: {
            requestId: happening.requestId,
            status: happening.status,
            ...errorOf(happening),
            ...tracing(happening.traceId),
            metrics: reportMetrics(subject, happening.durationMillis, happening.initMillis)
          }
        }
      ]
    case "dropped":
      return [droppedRecord(happening)]
  }
}

const logsRecords = (
  schema: TelemetrySchema,
  subject: TelemetrySubject,
  happening: Happening
): ReadonlyArray<TelemetryRecord> => {
  switch (happening.is) {
    case "initStart":
    case "initDone":
      return []
    case "extension":
      return [{ type: "platform.extension", record: extensionRecord(happening) }]
    case "subscribed":
      return [{ type: "platform.logsSubscription", record: subscriptionRecord(happening) }]
    case "start":
      return [
        {
          type: "platform.start",
          record: { requestId: happening.requestId, version: subject.functionVersion }
        }
      ]
    case "runtimeDone":
      return schema === "2021-03-18"
        ? [
            {
              type: "platform.runtimeDone",
              record: { requestId: happening.requestId, status: statusInLogs(happening.status) }
            }
          ]
        : []
    case "report": {
      const { durationMillis, initMillis, requestId } = happening
      return [
        { type: "platform.end", record: { requestId } },
        {
          type: "platform.report",
          record: { requestId, metrics: reportMetrics(subject, durationMillis, initMillis) }
        }
      ]
    }
    case "dropped":
      return [droppedRecord(happening)]
  }
}

/** It knows no errors of the function's own. */
const statusInLogs = (status: Ended["status"]): string => (status === "error" ? "failure" : status)

const extensionRecord = (happening: Extract<Happening, { is: "extension" }>) => ({
  name: happening.name,
  state: happening.state,
  events: happening.events,
  ...errorOf(happening)
})

const subscriptionRecord = ({ name, types }: Extract<Happening, { is: "subscribed" }>) => ({
  name,
  state: "Subscribed",
  types
})

const droppedRecord = ({ bytes, records }: Extract<Happening, { is: "dropped" }>): TelemetryRecord => ({
  type: "platform.logsDropped",
  record: { reason: "The subscriber did not take its records in time.", droppedRecords: records, droppedBytes: bytes }
})

/** What a worker printed. With JSON logging a line that is an object is told as one. */
export const lineRecord = (type: "function" | "extension", text: string, jsonLines: boolean): TelemetryRecord => ({
  type,
  record: jsonLines && type === "function" ? (objectOf(text) ?? text) : text
})

const objectOf = (text: string): object | undefined => {
  if (!text.startsWith("{")) return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === "object" && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
