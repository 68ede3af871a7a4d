/** The routes of the metrics as the manager's API document tells of them. */
import { Schema } from "effect"
import type { DocumentDecoration } from "elysia"
import { ContainersReport } from "../../src/provision/ContainerMetrics.ts"
import { failure, fault, json, security, unauthorized } from "./operations.ts"

/** Prometheus' name for its text format. */
export const prometheusType = "text/plain; version=0.0.4; charset=utf-8"

const tags = ["Metrics"]

export const metricsOperation = {
  operationId: "GetMetrics",
  tags,
  security,
  summary: "What this process measures",
  description: "Counters and gauges in Prometheus' text format. In one process with a gateway, the gateway's has all.",
  responses: {
    200: {
      description: "All of it.",
      content: {
        [prometheusType]: {
          schema: { type: "string" },
          example: '# TYPE irori_manager_workers gauge\nirori_manager_workers{function="echo"} 3\n'
        }
      }
    },
    401: unauthorized,
    500: fault
  }
} as DocumentDecoration

const report = Schema.decodeUnknownSync(ContainersReport)({
  containers: [
    {
      container_id: "4f1c0f2d9a67",
      function_name: "echo",
      container_name: "lambda-echo-2633d28a",
      state: "RUNNING",
      memory_current: 41943040,
      memory_max: 134217728,
      oom_events: 0,
      cpu_usage_ns: 183000000,
      exit_code: 0,
      restart_count: 0,
      exit_time: 0,
      collected_at: 1768212030.5
    },
    { container_id: "9a674f1c0f2d", container_name: "lambda-echo-8d3a2632", error: "Docker did not answer within 1m." }
  ],
  failures: 1
})

export const containerMetricsOperation = {
  operationId: "GetContainerMetrics",
  tags,
  security,
  summary: "What each worker takes of its machine",
  description: "Takes about a second; the same answer serves everybody who asks within the next five.",
  responses: {
    200: {
      description: "Every worker. One that could not be measured has an `error`, and is counted in `failures`.",
      content: json(ContainersReport, report)
    },
    401: unauthorized,
    500: fault,
    503: failure("There are workers, and none could be measured.", {
      detail: "Docker did not answer within 1m (list)."
    })
  }
} as DocumentDecoration
