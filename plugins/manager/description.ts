/** The manager's API document, apart from its operations. */
import { ManagerError, WorkerInfo } from "../../src/provision/ManagerProtocol.ts"
import type { ApiDescription } from "../docs/openApi.ts"

export const managerDescription: ApiDescription = {
  info: {
    title: "Irori manager",
    version: "0.1.0",
    description:
      "What gateways ask of the process beside the container engine. Private: whoever has its token may start containers."
  },
  tags: [
    { name: "Containers", description: "Workers: starting, using and removing them" },
    { name: "Health", description: "Is it up?" },
    { name: "Metrics", description: "How is it doing?" }
  ],
  schemas: { ManagerError, WorkerInfo },
  securitySchemes: { token: { type: "http", scheme: "bearer" } }
}
