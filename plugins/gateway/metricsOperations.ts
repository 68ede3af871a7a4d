/** The routes of the metrics as the API document tells of them. */
import type { DocumentDecoration } from "elysia"
import { errorResponses, everyAnswer } from "./errorResponses.ts"

/** Prometheus' name for its text format. */
export const prometheusType = "text/plain; version=0.0.4; charset=utf-8"

export const metricsExample = `# HELP irori_invocations_total Invocations that ended, by what became of them.
# TYPE irori_invocations_total counter
irori_invocations_total{function="my-function",outcome="ok"} 42
`

export const containersExample = {
  containers: [
    {
      container_id: "4f1c0f2d9a67",
      function_name: "my-function",
      container_name: "lambda-my-function-2633d28a",
      state: "RUNNING",
      memory_current: 41943040,
      memory_max: 134217728,
      oom_events: 0,
      cpu_usage_ns: 183000000,
      exit_code: 0,
      restart_count: 0,
      exit_time: 0,
      collected_at: 1768212030.5
    }
  ],
  failures: 0
}

export const metricsOperation: DocumentDecoration = {
  operationId: "GetMetrics",
  tags: ["Metrics"],
  summary: "What this process measures",
  description:
    "Counters and gauges in Prometheus' text format, by function: only functions that there are have series.",
  responses: {
    200: {
      description: "All of it.",
      headers: everyAnswer,
      content: { [prometheusType]: { schema: { type: "string" }, example: metricsExample } }
    },
    ...errorResponses(["CallerUnknown", "Fault"])
  }
}

export const containerMetricsOperation: DocumentDecoration = {
  operationId: "GetContainerMetrics",
  tags: ["Metrics"],
  summary: "What each worker takes of its machine",
  description: "Takes about a second; the same answer serves everybody who asks within the next five.",
  responses: {
    200: {
      description: "Every worker. One that could not be measured has an `error`, and is counted in `failures`.",
      headers: everyAnswer,
      content: {
        "application/json": {
          schema: { $ref: "#/components/schemas/ContainersReport" },
          example: containersExample
        }
      }
    },
    ...errorResponses(["CallerUnknown", "ContainerMetricsUnavailable", "Fault"])
  }
}
