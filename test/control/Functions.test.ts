import { mkdtempSync, readFileSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { Layers } from "../../src/control/Layers.ts"
import { inJavaOrder } from "../../src/control/supportedRuntimes.ts"
import { CodeFolder } from "../../src/domain/FunctionConfig.ts"
import { functionConfig } from "../support/functions.ts"
import { arn, creation, functionsApp, role, zipFile } from "../support/functionsApp.ts"
import { zip } from "../support/zip.ts"

const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/)

const invalid = (message: string) => ({
  status: 400,
  type: "InvalidParameterValueException",
  body: { Type: "User", message }
})
const validation = (message: string) => ({ status: 400, type: "ValidationException", body: { message } })
const notFound = (resource: string) => ({
  status: 404,
  type: "ResourceNotFoundException",
  body: { Type: "User", Message: `Function not found: ${resource}` }
})
const conflict = (message: string) => ({
  status: 409,
  type: "ResourceConflictException",
  body: { Type: "User", message }
})

describe("CreateFunction", () => {
  it("answers with the whole configuration, its defaults filled in, while it is pending", async () => {
    const { ask } = functionsApp()
    const answer = await ask("POST ", await creation("f"))
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      FunctionName: "f",
      FunctionArn: arn("f"),
      Runtime: "nodejs22.x",
      Role: role,
      Handler: "index.handler",
      CodeSize: Buffer.from(await zipFile(), "base64").length,
      CodeSha256: Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(await zipFile(), "base64"))).toString(
        "base64"
      ),
      Description: "",
      Timeout: 3,
      MemorySize: 128,
      LastModified: time,
      Version: "$LATEST",
      TracingConfig: { Mode: "PassThrough" },
      RevisionId: uuid,
      State: "Pending",
      StateReason: "The function is being created.",
      StateReasonCode: "Creating",
      PackageType: "Zip",
      Architectures: ["x86_64"],
      EphemeralStorage: { Size: 512 },
      SnapStart: { ApplyOn: "None", OptimizationStatus: "Off" },
      RuntimeVersionConfig: {
        RuntimeVersionArn: expect.stringMatching(/^arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}$/)
      },
      LoggingConfig: { LogFormat: "Text", LogGroup: "/aws/lambda/f" }
    })
  })

  it("is active soon after, with another revision, and no reason any more", async () => {
    const { ask, create } = functionsApp()
    const { body: before } = await create("f")
    const { body: after } = await ask("GET /f/configuration")
    expect(after).toMatchObject({ State: "Active", LastUpdateStatus: "Successful" })
    expect(after).not.toHaveProperty("StateReason")
    expect(after).not.toHaveProperty("StateReasonCode")
    expect(after.RevisionId).not.toBe(before.RevisionId)
    expect((await ask("GET /f/configuration")).body).toEqual(after)
  })

  it("keeps and answers what is optional", async () => {
    const { ask, create } = functionsApp()
    const optional = {
      Description: "does things",
      Timeout: 30,
      MemorySize: 512,
      Architectures: ["arm64"],
      EphemeralStorage: { Size: 1024 },
      TracingConfig: { Mode: "Active" },
      KMSKeyArn: "arn:aws:kms:us-east-1:123456789012:key/k",
      DeadLetterConfig: { TargetArn: "arn:aws:sqs:us-east-1:123456789012:q" },
      Environment: { Variables: { AB: "1", CD: "" } },
      FileSystemConfigs: [
        {
          Arn: "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-00000000000000000",
          LocalMountPath: "/mnt/x"
        }
      ]
    }
    await create("f", optional)
    expect((await ask("GET /f/configuration")).body).toMatchObject(optional)
  })

  it.each<readonly [string, object, object]>([
    ["an environment without variables", { Environment: { Variables: {} } }, { Environment: { Variables: {} } }],
    ["an environment of nothing", { Environment: {} }, { Environment: { Variables: {} } }],
    [
      "JSON as the log's format, with its levels",
      { LoggingConfig: { LogFormat: "JSON" } },
      {
        LoggingConfig: {
          LogFormat: "JSON",
          ApplicationLogLevel: "INFO",
          SystemLogLevel: "INFO",
          LogGroup: "/aws/lambda/f"
        }
      }
    ],
    [
      "a log group of one's own",
      { LoggingConfig: { LogGroup: "mine" } },
      { LoggingConfig: { LogFormat: "Text", LogGroup: "mine" } }
    ],
    [
      "a network of empty lists",
      { VpcConfig: { SubnetIds: [], SecurityGroupIds: [] } },
      { VpcConfig: { SubnetIds: [], SecurityGroupIds: [], VpcId: "", Ipv6AllowedForDualStack: false } }
    ],
    [
      "snapshots, where the runtime has them",
      { Runtime: "java21", SnapStart: { ApplyOn: "PublishedVersions" } },
      { SnapStart: { ApplyOn: "PublishedVersions", OptimizationStatus: "Off" } }
    ]
  ])("takes %s", async (_, settings, expected) => {
    const { ask, create } = functionsApp()
    await create("f", settings)
    expect((await ask("GET /f/configuration")).body).toMatchObject(expected)
  })

  it("publishes the first version at once where it is asked to, under the name without a qualifier", async () => {
    const { ask } = functionsApp()
    const { body } = await ask("POST ", await creation("f", { Publish: true }))
    expect(body).toMatchObject({ Version: "1", FunctionArn: arn("f"), State: "Pending" })
  })

  it("keeps the tags", async () => {
    const { ask, create } = functionsApp()
    await create("f", { Tags: { team: "a", stage: "b" } })
    expect((await ask("GET /f")).body.Tags).toEqual({ team: "a", stage: "b" })
  })

  it("takes an image in place of a package", async () => {
    const { ask } = functionsApp()
    const image = { PackageType: "Image", Code: { ImageUri: "my/image:1" }, Runtime: undefined, Handler: undefined }
    const { body, status } = await ask(
      "POST ",
      await creation("f", { ...image, ImageConfig: { Command: ["app.handler"] } })
    )
    expect(status).toBe(201)
    expect(body).toMatchObject({
      PackageType: "Image",
      CodeSize: 0,
      ImageConfigResponse: { ImageConfig: { Command: ["app.handler"] } }
    })
    expect(body).not.toHaveProperty("Runtime")
    expect(body).not.toHaveProperty("Handler")
    expect(body).not.toHaveProperty("RuntimeVersionConfig")
    expect((await ask("GET /f")).body.Code).toEqual({ RepositoryType: "ECR", ImageUri: "my/image:1" })
  })

  it("names what an image's tag leads to where the caller has named it", async () => {
    const { ask, create } = functionsApp()
    const uri = `my/image@sha256:${"ab".repeat(32)}`
    await create("f", { PackageType: "Image", Code: { ImageUri: uri }, Runtime: undefined, Handler: undefined })
    expect((await ask("GET /f")).body).toMatchObject({
      Code: { ImageUri: uri, ResolvedImageUri: uri },
      Configuration: { CodeSha256: "ab".repeat(32) }
    })
  })

  const long = "f".repeat(65)
  const pattern = String.raw`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`
  const broken = (value: string | null, field: string, constraint: string) =>
    `Value ${value === null ? "null" : `'${value}'`} at '${field}' failed to satisfy constraint: ${constraint}`
  const one = (value: string | null, field: string, constraint: string) =>
    validation(`1 validation error detected: ${broken(value, field, constraint)}`)

  it.each<readonly [string, object, object]>([
    [
      "a name of 65 letters",
      { FunctionName: long },
      invalid(
        `1 validation error detected: Value '${long}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64`
      )
    ],
    [
      "a name with a mark in it",
      { FunctionName: "my-function!" },
      one("my-function!", "functionName", `Member must satisfy regular expression pattern: ${pattern}`)
    ],
    [
      "another region's",
      { FunctionName: "arn:aws:lambda:eu-west-1:123456789012:function:f" },
      {
        status: 404,
        type: "ResourceNotFoundException",
        body: { Type: "User", Message: "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')" }
      }
    ],
    [
      "a role that is none",
      { Role: "r" },
      one(
        "r",
        "role",
        String.raw`Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`
      )
    ],
    ["no role", { Role: undefined }, one(null, "role", "Member must not be null")],
    [
      "a runtime that there is not",
      { Runtime: "nodejs99.x" },
      invalid(
        "Value nodejs99.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java17, java25, dotnet10, dotnet8, python3.10, java11, python3.11, java21, provided.al2, ruby3.3, ruby3.4, java8.al2, ruby3.2] or be a valid ARN"
      )
    ],
    [
      "a runtime that is no more",
      { Runtime: "nodejs14.x" },
      invalid(
        "The runtime parameter of nodejs14.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
      )
    ],
    [
      "two architectures",
      { Architectures: ["x86_64", "arm64"] },
      one("[x86_64, arm64]", "architectures", "Member must have length less than or equal to 1")
    ],
    [
      "an architecture that there is not",
      { Architectures: ["X86_64"] },
      one(
        "[X86_64]",
        "architectures",
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
      )
    ],
    [
      "too little memory",
      { MemorySize: 127 },
      one("127", "memorySize", "Member must have value greater than or equal to 128")
    ],
    [
      "too much memory",
      { MemorySize: 10241 },
      one("10241", "memorySize", "Member must have value less than or equal to 10240")
    ],
    ["no time", { Timeout: 0 }, one("0", "timeout", "Member must have value greater than or equal to 1")],
    ["too much time", { Timeout: 901 }, one("901", "timeout", "Member must have value less than or equal to 900")],
    [
      "what is no ZIP",
      { Code: { ZipFile: "aGVsbG8=" } },
      invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
    ],
    [
      "a bucket",
      { Code: { S3Bucket: "bucket", S3Key: "key" } },
      invalid(
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
      )
    ],
    ["no code", { Code: {} }, invalid("Please provide a source for function code.")],
    [
      "a package without a handler",
      { Handler: undefined },
      invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    ],
    [
      "an image that is a package",
      { PackageType: "Image", Runtime: undefined, Handler: undefined },
      invalid("Please provide ImageUri when creating a function with packageType Image.")
    ],
    [
      "a variable of Lambda's own",
      { Environment: { Variables: { AWS_REGION: "x" } } },
      invalid(
        "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION"
      )
    ],
    [
      "a layer that is not there",
      { Layers: ["arn:aws:lambda:us-east-1:123456789012:layer:l:1"] },
      invalid("Layer version arn:aws:lambda:us-east-1:123456789012:layer:l:1 does not exist.")
    ],
    [
      "snapshots for a runtime without them",
      { SnapStart: { ApplyOn: "PublishedVersions" } },
      invalid("nodejs22.x is not supported for SnapStart enabled functions.")
    ]
  ])("refuses %s", async (_, settings, expected) => {
    const { ask } = functionsApp()
    expect(await ask("POST ", await creation("f", settings))).toEqual(expected)
    expect((await ask("GET ")).body.Functions).toEqual([])
  })

  it("takes an environment of 4096 bytes, and no byte more", async () => {
    const { ask } = functionsApp()
    const variables = (length: number) => ({ KEY: "x".repeat(length - '{"KEY":""}'.length) })
    const Environment = (length: number) => ({ Environment: { Variables: variables(length) } })
    expect((await ask("POST ", await creation("f", Environment(4096)))).status).toBe(201)
    expect(await ask("POST ", await creation("g", Environment(4097)))).toEqual(
      invalid(
        `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: ${JSON.stringify(variables(4097))}`
      )
    )
  })

  it.each([
    [
      "an environment",
      { Environment: { Variables: { KEY: "a\0b" } } },
      /environment variables .* null character in KEY$/
    ],
    ["a handler", { Handler: "index\0.handler" }, /^Handler contains a null character/],
    [
      "an image's command",
      {
        PackageType: "Image",
        Runtime: undefined,
        Handler: undefined,
        Code: { ImageUri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/a:b" },
        ImageConfig: { Command: ["a\0b"] }
      },
      /^ImageConfig contains a null character/
    ]
  ])("refuses %s with a null character, which no process can be given", async (_, settings, message) => {
    const { ask } = functionsApp()
    const answer = await ask("POST ", await creation("f", settings))
    expect(answer).toMatchObject({ status: 400, type: "InvalidParameterValueException" })
    expect(answer.body.message).toMatch(message)
    expect((await ask("GET ")).body.Functions).toEqual([])
  })

  it("repeats of a value no more than a kilobyte", async () => {
    const { ask } = functionsApp()
    const { body, type } = await ask("POST ", await creation("f", { Description: "x".repeat(1_000_000) }))
    expect(type).toBe("ValidationException")
    expect(body.message).toContain(`Value '${"x".repeat(1024)}... (1000000 characters)' at 'description'`)
    const Environment = { Variables: { KEY: "x".repeat(1_000_000) } }
    const environment = await ask("POST ", await creation("f", { Environment }))
    expect(environment.body.message).toMatch(/exceeded the 4KB limit\..*x\.\.\. \(1000010 characters\)$/)
    expect(environment.body.message.length).toBeLessThan(9000)
  })

  it("refuses code and layers that are over 250 MB together, whichever comes last", async () => {
    const layer = "arn:aws:lambda:us-east-1:123456789012:layer:large:1"
    const contents = 52
    const layers = (left: number) =>
      Layer.mock(Layers, {
        use: (arns) => Effect.succeed(arns.map((Arn) => ({ Arn, CodeSize: 1 }))),
        unzippedBytes: (arns) => arns.length * (262_144_000 - left),
        mergedFolder: () => Effect.succeed("/opt/none")
      })
    const zipOf = async (bytes: number) => (await zip({ a: "a".repeat(bytes) })).toString("base64")
    const tooLarge = (bytes: number) =>
      invalid(
        `Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is ${bytes} bytes.`
      )
    const { ask, create } = functionsApp({ layers: layers(contents) })
    const fitting = { Code: { ZipFile: await zipOf(contents) }, Layers: [layer] }
    expect((await create("f", fitting)).status).toBe(201)
    const larger = { Code: { ZipFile: await zipOf(contents + 1) } }
    expect(await ask("POST ", await creation("g", { ...larger, Layers: [layer] }))).toEqual(tooLarge(262_144_001))
    expect(await ask("PUT /f/code", larger.Code)).toEqual(tooLarge(262_144_001))
    await create("h", larger)
    expect(await ask("PUT /h/configuration", { Layers: [layer] })).toEqual(tooLarge(262_144_001))
    expect((await ask("PUT /h/configuration", { Layers: [] })).status).toBe(200)
  })

  it("refuses a package over 50 MB and one over 250 MB unzipped", async () => {
    const { ask } = functionsApp()
    const big = Buffer.alloc(52_428_801).toString("base64")
    expect(await ask("POST ", await creation("f", { Code: { ZipFile: big } }))).toMatchObject({
      status: 413,
      type: "RequestEntityTooLargeException",
      body: { message: "Zipped size must be smaller than 52428800 bytes" }
    })
    const lying = await zip({ a: "a" })
    lying.writeUInt32LE(262_144_001, lying.indexOf("PK\x01\x02") + 24)
    expect(await ask("POST ", await creation("f", { Code: { ZipFile: lying.toString("base64") } }))).toEqual(
      invalid("Unzipped size must be smaller than 262144000 bytes")
    )
  })

  it("refuses more than 50 tags", async () => {
    const { ask } = functionsApp()
    const Tags = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`k${index}`, "v"]))
    expect(await ask("POST ", await creation("f", { Tags }))).toEqual(
      invalid("Number of tags exceeds resource tag limit.")
    )
    expect((await ask("GET /f")).status).toBe(404)
  })

  it("refuses a name that is taken, also where two ask for it at once", async () => {
    const { ask } = functionsApp()
    const answers = await Promise.all([ask("POST ", await creation("f")), ask("POST ", await creation("f"))])
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
    expect(await ask("POST ", await creation("f"))).toEqual(conflict("Function already exist: f"))
  })

  it("lists runtimes as a HashSet of Java's does", () => {
    // As the real service listed them in 2023.
    const names =
      "nodejs16.x nodejs18.x nodejs20.x java8.al2 java11 java17 java21 python3.8 python3.9 python3.10 python3.11 python3.12 dotnet6 dotnet8 ruby3.2 ruby3.3 provided.al2 provided.al2023"
    expect(inJavaOrder(names.split(" ")).join(" ")).toBe(
      "nodejs20.x provided.al2023 python3.12 java17 nodejs16.x dotnet8 python3.10 java11 python3.11 dotnet6 java21 nodejs18.x provided.al2 ruby3.3 java8.al2 ruby3.2 python3.8 python3.9"
    )
  })
})

describe("GetFunction", () => {
  it("links to the very package, for ten minutes and to those alone who have the link", async () => {
    const { ask, create, fetch } = functionsApp()
    await create("f")
    const { Code } = (await ask("GET /f")).body
    expect(Code.RepositoryType).toBe("S3")
    const link = new URL(Code.Location)
    const got = await fetch(link.pathname + link.search)
    expect(Buffer.from(await got.arrayBuffer()).toString("base64")).toBe(await zipFile())
    const expires = Number(link.searchParams.get("expires"))
    expect(expires - Date.now()).toBeGreaterThan(590_000)
    expect(expires - Date.now()).toBeLessThanOrEqual(600_000)
    const longer = link.search.replace(String(expires), String(expires + 1))
    for (const search of ["", longer, link.search.replace(/signature=./, "signature=x")]) {
      const refused = await fetch(link.pathname + search)
      expect(refused.status).toBe(403)
      expect(await refused.text()).toContain("<Code>AccessDenied</Code>")
    }
  })

  it.each(["$LATEST", "1", "live"])("answers for the qualifier %s with the ARN as asked", async (qualifier) => {
    const { ask, create } = functionsApp()
    await create("f", { Publish: true })
    await ask("POST /f/aliases", { Name: "live", FunctionVersion: "1" })
    const wanted = { FunctionArn: `${arn("f")}:${qualifier}`, Version: qualifier === "$LATEST" ? qualifier : "1" }
    const path = encodeURIComponent(qualifier)
    expect((await ask(`GET /f?Qualifier=${path}`)).body.Configuration).toMatchObject(wanted)
    expect((await ask(`GET /f/configuration?Qualifier=${path}`)).body).toMatchObject(wanted)
    expect((await ask(`GET /f%3A${path}/configuration`)).body).toMatchObject(wanted)
    expect((await ask("GET /f/configuration")).body).toMatchObject({ FunctionArn: arn("f"), Version: "$LATEST" })
  })

  it.each<readonly [string, string]>([
    ["/g", arn("g")],
    ["/g/configuration", arn("g")],
    ["/g?Qualifier=live", `${arn("g")}:live`],
    ["/f?Qualifier=7", `${arn("f")}:7`],
    ["/f?Qualifier=%24latest", `${arn("f")}:$latest`],
    [`/${"f".repeat(65)}`, arn("f".repeat(65))]
  ])("does not find %s", async (path, resource) => {
    const { ask, create } = functionsApp()
    await create("f")
    expect(await ask(`GET ${path}`)).toEqual(notFound(resource))
  })

  it("leaves out tags and reservations that there are not", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    expect(Object.keys((await ask("GET /f")).body)).toEqual(["Configuration", "Code"])
  })
})

describe("UpdateFunctionCode", () => {
  it("is under way, and then successful, with another revision each time", async () => {
    const { ask, create, settled } = functionsApp()
    await create("f")
    const before = (await ask("GET /f/configuration")).body
    const { body, status } = await ask("PUT /f/code", { ZipFile: await zipFile("second") })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      State: "Active",
      LastUpdateStatus: "InProgress",
      LastUpdateStatusReason: "The function is being created.",
      LastUpdateStatusReasonCode: "Creating",
      FunctionArn: arn("f"),
      Version: "$LATEST"
    })
    expect(body.CodeSha256).not.toBe(before.CodeSha256)
    await settled("f")
    const after = (await ask("GET /f/configuration")).body
    expect(after).toMatchObject({ LastUpdateStatus: "Successful", CodeSha256: body.CodeSha256 })
    expect(after).not.toHaveProperty("LastUpdateStatusReason")
    expect(new Set([before.RevisionId, body.RevisionId, after.RevisionId]).size).toBe(3)
  })

  it("changes nothing in a dry run", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    const before = await ask("GET /f/configuration")
    const { body, status } = await ask("PUT /f/code", { ZipFile: await zipFile("second"), DryRun: true })
    expect(status).toBe(200)
    expect(body.CodeSha256).not.toBe(before.body.CodeSha256)
    expect(await ask("GET /f/configuration")).toEqual(before)
  })

  it("answers with the version that it publishes", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    const { body } = await ask("PUT /f/code", { ZipFile: await zipFile("second"), Publish: true })
    expect(body).toMatchObject({ FunctionArn: `${arn("f")}:1`, Version: "1", State: "Pending" })
  })

  it("takes another architecture with the code", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    await ask("PUT /f/code", { ZipFile: await zipFile(), Architectures: ["arm64"] })
    expect((await ask("GET /f/configuration")).body.Architectures).toEqual(["arm64"])
  })

  it("refuses an image for a package, and a package for an image", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    await create("g", { PackageType: "Image", Code: { ImageUri: "i:1" }, Runtime: undefined, Handler: undefined })
    expect(await ask("PUT /f/code", { ImageUri: "i:2" })).toEqual(
      invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
    )
    expect(await ask("PUT /g/code", { ZipFile: await zipFile() })).toEqual(
      invalid("Please provide ImageUri when updating a function with packageType Image.")
    )
  })

  it("does not find a function that is not there", async () => {
    const { ask } = functionsApp()
    expect(await ask("PUT /f/code", { ZipFile: await zipFile() })).toEqual(notFound(arn("f")))
  })
})

describe("UpdateFunctionConfiguration", () => {
  it("leaves alone what it is not given, and takes the environment whole", async () => {
    const { ask, create, settled } = functionsApp()
    await create("f", { Description: "d", Timeout: 9, Environment: { Variables: { AA: "1", BB: "2" } } })
    const { body } = await ask("PUT /f/configuration", { MemorySize: 256, Environment: { Variables: { CC: "3" } } })
    expect(body).toMatchObject({ LastUpdateStatus: "InProgress", State: "Active" })
    await settled("f")
    const after = (await ask("GET /f/configuration")).body
    expect(after).toMatchObject({ Description: "d", Timeout: 9, MemorySize: 256, Role: role })
    expect(after.Environment).toEqual({ Variables: { CC: "3" } })
  })

  it("changes the revision also where nothing else changes", async () => {
    const { ask, create, settled } = functionsApp()
    await create("f")
    const before = (await ask("GET /f/configuration")).body
    const { body } = await ask("PUT /f/configuration", {})
    await settled("f")
    const after = (await ask("GET /f/configuration")).body
    expect(new Set([before.RevisionId, body.RevisionId, after.RevisionId]).size).toBe(3)
  })

  it("drops the levels of the log on its way back to text", async () => {
    const { ask, create } = functionsApp()
    await create("f", { LoggingConfig: { LogFormat: "JSON", ApplicationLogLevel: "DEBUG" } })
    const { body } = await ask("PUT /f/configuration", { LoggingConfig: { SystemLogLevel: "WARN" } })
    expect(body.LoggingConfig).toEqual({
      LogFormat: "JSON",
      ApplicationLogLevel: "DEBUG",
      SystemLogLevel: "WARN",
      LogGroup: "/aws/lambda/f"
    })
    const { body: text } = await ask("PUT /f/configuration", { LoggingConfig: { LogFormat: "Text" } })
    expect(text.LoggingConfig).toEqual({ LogFormat: "Text", LogGroup: "/aws/lambda/f" })
  })

  it("leaves an empty network where its lists are emptied", async () => {
    const { ask, create } = functionsApp()
    await create("f", { VpcConfig: { SubnetIds: ["subnet-1"], SecurityGroupIds: ["sg-1"] } })
    const { body } = await ask("PUT /f/configuration", { VpcConfig: { SubnetIds: [], SecurityGroupIds: [] } })
    expect(body.VpcConfig).toEqual({ SubnetIds: [], SecurityGroupIds: [], VpcId: "", Ipv6AllowedForDualStack: false })
  })

  it.each(["code", "configuration"])("refuses to change the %s of another revision", async (what) => {
    const { ask, create } = functionsApp()
    const { body: pending } = await create("f")
    const change = { ZipFile: await zipFile("x"), RevisionId: pending.RevisionId }
    expect(await ask(`PUT /f/${what}`, change)).toEqual({
      status: 412,
      type: "PreconditionFailedException",
      body: {
        Type: "User",
        message:
          "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
      }
    })
    const { RevisionId } = (await ask("GET /f/configuration")).body
    expect((await ask(`PUT /f/${what}`, { ...change, RevisionId })).status).toBe(200)
  })

  it("lets one of two who know the same revision through", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    const { RevisionId } = (await ask("GET /f/configuration")).body
    const answers = await Promise.all(
      ["a", "b"].map(async (text) => ask("PUT /f/code", { ZipFile: await zipFile(text), RevisionId }))
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412])
  })

  it("refuses a runtime that is no more", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    expect((await ask("PUT /f/configuration", { Runtime: "nodejs14.x" })).body.message).toMatch(
      /^The runtime parameter/
    )
  })
})

describe("DeleteFunction", () => {
  it("removes the function with its versions and aliases, and frees its name at once", async () => {
    const { ask, create } = functionsApp()
    await create("f", { Publish: true, Tags: { a: "b" } })
    await ask("POST /f/aliases", { Name: "live", FunctionVersion: "1" })
    expect(await ask("DELETE /f")).toEqual({ status: 204, type: null, body: undefined })
    expect(await ask("GET /f")).toEqual(notFound(arn("f")))
    expect(await ask("GET /f?Qualifier=live")).toEqual(notFound(`${arn("f")}:live`))
    await create("f")
    expect((await ask("GET /f")).body).not.toHaveProperty("Tags")
    expect((await ask("GET /f/aliases")).body.Aliases).toEqual([])
  })

  it("removes one version alone", async () => {
    const { ask, create } = functionsApp()
    await create("f", { Publish: true })
    expect((await ask("DELETE /f?Qualifier=1")).status).toBe(204)
    expect(await ask("GET /f?Qualifier=1")).toEqual(notFound(`${arn("f")}:1`))
    expect((await ask("GET /f")).status).toBe(200)
  })

  it("refuses to remove a version to which an alias leads", async () => {
    const { ask, create } = functionsApp()
    await create("f", { Publish: true })
    await ask("POST /f/aliases", { Name: "live", FunctionVersion: "1" })
    expect(await ask("DELETE /f?Qualifier=1")).toMatchObject({ status: 409, type: "ResourceConflictException" })
  })

  it.each<readonly [string, object]>([
    ["/f?Qualifier=%24LATEST", invalid("$LATEST version cannot be deleted without deleting the function.")],
    ["/f?Qualifier=live", invalid("Deletion of aliases is not currently supported.")],
    ["/g", notFound(arn("g"))],
    ["/g?Qualifier=1", notFound(arn("g"))],
    ["/g?Qualifier=%24latest", notFound(arn("g"))],
    ["/f?Qualifier=1", notFound(arn("f"))]
  ])("refuses %s", async (path, expected) => {
    const { ask, create } = functionsApp()
    await create("f")
    expect(await ask(`DELETE ${path}`)).toEqual(expected)
  })
})

describe("ListFunctions", () => {
  it("lists by name, without states", async () => {
    const { ask, create } = functionsApp()
    for (const name of ["b", "a-b", "a"]) await create(name, { Publish: true })
    const { body } = await ask("GET ")
    expect(body.Functions.map(({ FunctionArn }: { FunctionArn: string }) => FunctionArn)).toEqual(
      ["a", "a-b", "b"].map(arn)
    )
    for (const key of ["State", "StateReason", "LastUpdateStatus"]) expect(body.Functions[0]).not.toHaveProperty(key)
    expect(body.Functions[0]).toMatchObject({ Version: "$LATEST", RevisionId: uuid })
    expect(body).not.toHaveProperty("NextMarker")
  })

  it("lists every version where it is asked to", async () => {
    const { ask, create } = functionsApp()
    await create("b", { Publish: true })
    await create("a")
    const { body } = await ask("GET ?FunctionVersion=ALL")
    expect(body.Functions.map(({ FunctionArn }: { FunctionArn: string }) => FunctionArn)).toEqual([
      `${arn("a")}:$LATEST`,
      `${arn("b")}:$LATEST`,
      `${arn("b")}:1`
    ])
  })

  it("pages, fifty at most, whatever comes and goes in between", async () => {
    const { ask, create } = functionsApp()
    const names = Array.from({ length: 53 }, (_, index) => `f-${String(index).padStart(2, "0")}`)
    for (const name of names) await create(name)
    const first = (await ask("GET ?MaxItems=1000")).body
    expect(first.Functions).toHaveLength(50)
    await ask("DELETE /f-49")
    await ask("DELETE /f-00")
    const second = (await ask(`GET ?Marker=${first.NextMarker}&MaxItems=2`)).body
    const nameOf = ({ FunctionName }: { FunctionName: string }) => FunctionName
    expect(second.Functions.map(nameOf)).toEqual(["f-50", "f-51"])
    const third = (await ask(`GET ?Marker=${second.NextMarker}&MaxItems=2`)).body
    expect(third.Functions.map(nameOf)).toEqual(["f-52"])
    expect(third).not.toHaveProperty("NextMarker")
  })

  it("refuses a FunctionVersion that is none", async () => {
    const { ask } = functionsApp()
    expect(await ask("GET ?FunctionVersion=all")).toEqual(
      validation(
        "1 validation error detected: Value 'all' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"
      )
    )
  })

  it("has no functions that are copies of another region's", async () => {
    const { ask, create } = functionsApp()
    await create("f")
    expect((await ask("GET ?MasterRegion=us-east-1&FunctionVersion=ALL")).body.Functions).toEqual([])
  })
})

describe("a function from a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-file-function-"))
  writeFileSync(join(folder, "index.mjs"), "export const handler = async () => 1\n")
  const hello = functionConfig({
    code: new CodeFolder({ path: folder, revision: "r1" }),
    timeout: Duration.seconds(7),
    environment: { AA: "1" }
  })
  const app = () =>
    functionsApp({ files: [hello], problems: [{ functionName: "broken", detail: "its folder is empty" }] })

  it("is told of like others", async () => {
    const { ask, create } = app()
    await create("a")
    const { Code, Configuration } = (await ask("GET /hello")).body
    expect(Configuration).toMatchObject({
      FunctionName: "hello",
      FunctionArn: arn("hello"),
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      CodeSize: readFileSync(join(folder, "index.mjs")).length,
      CodeSha256: expect.stringMatching(/^.{43}=$/),
      Timeout: 7,
      LastModified: time,
      RevisionId: uuid,
      State: "Active",
      LastUpdateStatus: "Successful",
      Environment: { Variables: { AA: "1" } }
    })
    expect(Code).toEqual({ RepositoryType: "S3" })
    expect((await ask("GET /hello/configuration?Qualifier=%24LATEST")).body.FunctionArn).toBe(`${arn("hello")}:$LATEST`)
    expect((await ask("GET /hello?Qualifier=1")).status).toBe(404)
    expect((await ask("GET ")).body.Functions.map(({ Version }: { Version: string }) => Version)).toHaveLength(2)
    expect((await ask("GET /hello/versions")).body.Versions).toMatchObject([{ FunctionArn: `${arn("hello")}:$LATEST` }])
  })

  it.each<readonly [string, object | undefined]>([
    ["PUT /hello/code", { ZipFile: "" }],
    ["PUT /hello/configuration", { Timeout: 1 }],
    ["POST /hello/versions", {}],
    ["DELETE /hello", undefined],
    ["DELETE /broken", undefined]
  ])("is not changed through the API: %s names the file to edit", async (request, body) => {
    const { ask } = app()
    const name = request.includes("broken") ? "broken" : "hello"
    expect(await ask(request, body)).toEqual(
      invalid(
        `The function ${name} comes from a file: change its code where it is, and its settings in functions/functions.yml.`
      )
    )
  })

  it("keeps its name from being taken", async () => {
    const { ask } = app()
    expect(await ask("POST ", await creation("hello"))).toEqual(conflict("Function already exist: hello"))
    expect(await ask("POST ", await creation("broken"))).toEqual(conflict("Function already exist: broken"))
  })

  it("may have aliases", async () => {
    const { ask } = app()
    expect((await ask("POST /hello/aliases", { Name: "live", FunctionVersion: "$LATEST" })).status).toBe(201)
    expect((await ask("GET /hello/configuration?Qualifier=live")).body).toMatchObject({
      FunctionArn: `${arn("hello")}:live`,
      Version: "$LATEST"
    })
  })
})
