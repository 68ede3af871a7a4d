/** The variables every worker gets, whatever kind of machine room it runs in (`LAMBDA-CONTRACT.md` section 5.1). */
import type { FunctionConfig } from "../domain/FunctionConfig.ts"

export interface WorkerPlace {
  /** `host:port` as the worker reaches it; absent for images with an emulator of their own. */
  readonly runtimeApi?: string
  readonly region: string
  /** Of the worker's log, as Lambda names it: `2026/01/12/[$LATEST]<32 hex digits>`. */
  readonly logStream: string
  readonly executionEnvironment?: string
  readonly taskRoot: string
  readonly runtimeDir: string
}

/** Variables that a function's own settings may not have: Lambda refuses them. */
export const reservedVariables: ReadonlySet<string> = new Set([
  "_HANDLER",
  "_X_AMZN_TRACE_ID",
  "AWS_REGION",
  "AWS_DEFAULT_REGION",
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_FUNCTION_NAME",
  "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
  "AWS_LAMBDA_FUNCTION_VERSION",
  "AWS_LAMBDA_INITIALIZATION_TYPE",
  "AWS_LAMBDA_LOG_GROUP_NAME",
  "AWS_LAMBDA_LOG_STREAM_NAME",
  "AWS_LAMBDA_RUNTIME_API",
  "LAMBDA_TASK_ROOT",
  "LAMBDA_RUNTIME_DIR"
])

/** The function's own variables win over what is only a default (`TZ`, `LANG`), never over what is reserved. */
export const workerEnvironment = (config: FunctionConfig, place: WorkerPlace): Record<string, string> => ({
  TZ: ":UTC",
  LANG: "en_US.UTF-8",
  ...config.environment,
  AWS_LAMBDA_FUNCTION_NAME: config.name,
  AWS_LAMBDA_FUNCTION_VERSION: config.version,
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(config.memoryMegabytes),
  AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${config.name}`,
  AWS_LAMBDA_LOG_STREAM_NAME: place.logStream,
  AWS_LAMBDA_INITIALIZATION_TYPE: config.initializationType ?? "on-demand",
  AWS_REGION: place.region,
  AWS_DEFAULT_REGION: place.region,
  ...(config.loggingFormat === "JSON"
    ? { AWS_LAMBDA_LOG_FORMAT: "JSON", AWS_LAMBDA_LOG_LEVEL: config.applicationLogLevel ?? "INFO" }
    : {}),
  LAMBDA_TASK_ROOT: place.taskRoot,
  LAMBDA_RUNTIME_DIR: place.runtimeDir,
  ...(place.runtimeApi === undefined ? {} : { AWS_LAMBDA_RUNTIME_API: place.runtimeApi }),
  ...(place.executionEnvironment === undefined ? {} : { AWS_EXECUTION_ENV: place.executionEnvironment }),
  ...(config.handler === undefined ? {} : { _HANDLER: config.handler })
})
