/** Every metric that is counted where it happens. What can be looked up instead is looked up when it is asked for. */
import { Metric } from "effect"

/** Seconds; from a warm function's to Lambda's longest. */
const boundaries = Metric.boundariesFromIterable([
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900
])

/** What became of an invocation. */
export type InvocationOutcome =
  | "ok"
  /** The function answered with an error. */
  | "function_error"
  | "timeout"
  /** Its worker died or broke off. */
  | "worker_lost"
  | "start_failed"
  | "throttled"
  | "circuit_open"
  /** Its caller left. */
  | "cancelled"
  /** A bug. */
  | "fault"

/** One series; to be kept, since making it anew for each update is dear. */
export const invocations = (functionName: string, outcome: InvocationOutcome) =>
  Metric.counter("irori_invocations_total", {
    description: "Invocations that ended, by what became of them.",
    attributes: { function: functionName, outcome },
    incremental: true
  })

/** One series; to be kept. In seconds. */
export const invocationDuration = (functionName: string) =>
  Metric.histogram("irori_invocation_duration_seconds", {
    description: "From the call to its answer, waiting and cold start included, of invocations that a worker began.",
    attributes: { function: functionName },
    boundaries
  })

export const coldStarts = (functionName: string) =>
  Metric.counter("irori_cold_starts_total", {
    description: "Workers that were started and became ready.",
    attributes: { function: functionName },
    incremental: true
  })

/** In seconds. */
export const workerStartDuration = (functionName: string) =>
  Metric.histogram("irori_worker_start_seconds", {
    description: "From the order to start a worker until it was ready.",
    attributes: { function: functionName },
    boundaries
  })

export const workerStartFailures = (functionName: string, reason: string) =>
  Metric.counter("irori_worker_start_failures_total", {
    description: "Workers that did not start, by the reason.",
    attributes: { function: functionName, reason },
    incremental: true
  })

/** Counted by the janitor at the end of each sweep. */
export const janitorSweeps = Metric.counter("irori_janitor_sweeps_total", {
  description: "Sweeps that the janitor has finished.",
  incremental: true
})

/** Unix seconds; set by the janitor at the end of each sweep. */
export const janitorLastSweep = Metric.gauge("irori_janitor_last_sweep_timestamp_seconds", {
  description: "When the janitor last finished a sweep."
})

/** Registered by the asynchronous invoker, which knows. */
export const asyncEvents = Metric.gauge("irori_async_events", {
  description: "Asynchronous events that were accepted and have not finished, those waiting for a retry included."
})

/** What became of an asynchronous event, step by step. */
export type AsyncEventStep =
  /** It is on the disk. */
  | "accepted"
  /** It was not taken: there is no room, in the queue or on the disk. */
  | "refused"
  | "succeeded"
  /** The function failed, and will be tried again. */
  | "retried"
  /** It was not run, and will be tried again. */
  | "throttled"
  /** It was given up. */
  | "failed"
  /** It was running when the process before this one ended, and runs again. */
  | "repeated"

export const asyncEventSteps = (functionName: string, outcome: AsyncEventStep) =>
  Metric.counter("irori_async_events_total", {
    description: "Steps of asynchronous events, by what happened.",
    attributes: { function: functionName, outcome },
    incremental: true
  })

export const asyncDeliveries = (outcome: "delivered" | "retried" | "given_up") =>
  Metric.counter("irori_async_deliveries_total", {
    description: "Attempts to tell a destination what became of an event.",
    attributes: { outcome },
    incremental: true
  })

/** What became of a schedule's due time. */
export type ScheduleStep =
  /** Its event is in the queue. */
  | "fired"
  /** Its event was taken before, by the process that ended then. */
  | "known"
  /** The queue did not take it; it is tried again. */
  | "refused"
  | "no_function"

export const scheduleFirings = (functionName: string, schedule: string, outcome: ScheduleStep) =>
  Metric.counter("irori_schedule_firings_total", {
    description: "Due times of schedules, by what became of them.",
    attributes: { function: functionName, schedule, outcome },
    incremental: true
  })

/** Registered by the scheduler, which knows. */
export const scheduleNext = (functionName: string, schedule: string) =>
  Metric.gauge("irori_schedule_next_firing_timestamp_seconds", {
    description: "When a schedule is due next, in Unix seconds.",
    attributes: { function: functionName, schedule }
  })

/** Registered by the asynchronous invoker, which knows. */
export const failedEvents = Metric.gauge("irori_async_failed_events", {
  description: "Asynchronous events that failed, and are kept until somebody runs or drops them."
})
