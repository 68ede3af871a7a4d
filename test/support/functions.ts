/** Functions and workers for tests that only need there to be some. */
import { Duration } from "effect"
import { CodeFolder, FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import type { Invocation } from "../../src/domain/Invocation.ts"
import { Worker, WorkerId } from "../../src/domain/Worker.ts"

export const hello = FunctionName.make("hello")

type Settings = Partial<ConstructorParameters<typeof FunctionConfig>[0]>

export const functionConfig = (settings: Settings = {}): FunctionConfig =>
  new FunctionConfig({
    name: hello,
    version: "$LATEST",
    code: new CodeFolder({ path: "/code" }),
    runtime: "nodejs22.x",
    handler: "index.handler",
    environment: {},
    timeout: Duration.seconds(3),
    memoryMegabytes: 128,
    transport: "runtime-api",
    maxCapacity: 1,
    minCapacity: 0,
    acquireTimeout: Duration.seconds(5),
    maxQueued: 1000,
    idleTimeout: Duration.minutes(5),
    ...settings
  })

export const worker = (id: string, settings: Partial<ConstructorParameters<typeof Worker>[0]> = {}): Worker =>
  new Worker({
    id: WorkerId.make(id),
    functionName: hello,
    version: "$LATEST",
    transport: "runtime-api",
    host: "127.0.0.1",
    port: 9,
    createdAtMillis: 0,
    ...settings
  })

export const invocation = (settings: Partial<Invocation> = {}): Invocation => ({
  requestId: "8f507cfc-0000-4000-8000-5b4aaf1f8d0c",
  functionName: hello,
  payload: new TextEncoder().encode("{}"),
  traceId: "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
  ...settings
})
