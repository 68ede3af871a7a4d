/** The gateway's API document, apart from its operations. */

import { ContainersReport } from "../../src/provision/ContainerMetrics.ts"
import type { ApiDescription } from "../docs/openApi.ts"
import { FunctionError, RequestError, ServiceError, ThrottledError } from "./errors.ts"
import { FailedEventList, Gone, Redriven, RedriveRequest } from "./failedEventsOperations.ts"
import { Health, Readiness } from "./healthOperations.ts"
import { ReloadReport } from "./reloadOperation.ts"

export const gatewayDescription: ApiDescription = {
  info: {
    title: "Irori gateway",
    version: "0.1.0",
    description:
      "The API of AWS Lambda on your own machine. Any AWS SDK speaks it with this server as its endpoint; this document is for clients that are made from one, and for trying it out."
  },
  tags: [
    { name: "Invocation", description: "Running functions" },
    { name: "Failed events", description: "Asynchronous events that failed" },
    { name: "Files", description: "What functions, routes and schedules come from" },
    { name: "Health", description: "Is it up?" },
    { name: "Metrics", description: "How is it doing?" }
  ],
  schemas: {
    ServiceError,
    RequestError,
    ThrottledError,
    FunctionError,
    FailedEventList,
    RedriveRequest,
    Redriven,
    DroppedEvents: Gone,
    Health,
    Readiness,
    ReloadReport,
    ContainersReport
  }
}
