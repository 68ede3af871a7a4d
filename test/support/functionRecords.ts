/** Records of functions made through the API, for tests that only need there to be some. */
import type { AliasRecord, VersionRecord } from "../../src/control/FunctionRecord.ts"

export const versionRecord = (version = "$LATEST", settings: Partial<VersionRecord> = {}): VersionRecord => ({
  version,
  revisionId: `revision of ${version}`,
  lastModifiedMillis: 0,
  state: "Active",
  update: "Successful",
  code: { sha256: "00".repeat(32), sizeBytes: 276 },
  settings: {
    PackageType: "Zip",
    Role: "arn:aws:iam::000000000000:role/r",
    Runtime: "nodejs22.x",
    Handler: "index.handler",
    Description: "",
    Timeout: 3,
    MemorySize: 128,
    Architectures: ["x86_64"],
    EphemeralStorage: 512,
    TracingMode: "PassThrough",
    SnapStart: "None",
    LoggingConfig: { LogFormat: "Text", LogGroup: "/aws/lambda/hello" }
  },
  ...settings
})

export const aliasRecord = (name: string, version: string): AliasRecord => ({
  name,
  version,
  description: "",
  revisionId: `revision of ${name}`,
  weights: {}
})
