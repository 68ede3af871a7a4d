/** Tells whether a running worker is what a function's configuration would start now. */
import { createHash } from "node:crypto"
import { Duration } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"

/** Sixteen hexadecimal digits of all that a worker is given at its start. How many there may be is not part of it. */
export const fingerprint = (config: FunctionConfig): string => {
  const given = {
    code: { ...config.code },
    runtime: config.runtime,
    handler: config.handler,
    version: config.version,
    transport: config.transport,
    memoryMegabytes: config.memoryMegabytes,
    layersPath: config.layersPath,
    imageConfig: config.imageConfig,
    ephemeralStorageMegabytes: config.ephemeralStorageMegabytes,
    logging: config.loggingFormat === "JSON" ? [config.applicationLogLevel, config.systemLogLevel] : undefined,
    initializationType: config.initializationType,
    // The emulator in an image is told it once; elsewhere it is the invoker's to keep.
    timeoutMillis: config.transport === "rie" ? Duration.toMillis(config.timeout) : undefined,
    environment: Object.entries(config.environment).sort(([a], [b]) => (a < b ? -1 : 1))
  }
  return createHash("sha256").update(JSON.stringify(given)).digest("hex").slice(0, 16)
}
