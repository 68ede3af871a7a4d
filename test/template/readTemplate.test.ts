import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import { Duration } from "effect"
import { readTemplate, type TemplateOptions } from "../../src/template/readTemplate.ts"
import type { Template } from "../../src/template/Template.ts"

const options: TemplateOptions = {
  owner: { region: "eu-west-1", accountId: "123456789012" },
  stackName: "shop",
  parameters: {},
  fileName: "template.yaml",
  folder: "/project",
  readFile: () => undefined
}

const read = (text: string, settings: Partial<TemplateOptions> = {}): Template => {
  const template = readTemplate(text, { ...options, ...settings })
  if (typeof template === "string") throw new Error(template)
  return template
}

const details = (said: Template["warnings"]) => said.map(({ detail }) => detail)

/** One function with these properties. */
const functionWith = (properties: string, rest = "") =>
  read(`Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: { ${properties} }\n${rest}`)

const complete = "CodeUri: src, Handler: index.handler, Runtime: nodejs22.x"

describe("a large template", () => {
  const text = readFileSync(join(import.meta.dirname, "shop.yaml"), "utf8")
  const template = read(text)
  const functionNamed = (name: string) => template.functions.get(name)
  const api = (id: string) => template.apis.find((one) => one.id === id)

  it("gives functions what they and the globals say", () => {
    expect(functionNamed("shop-dev-catalog")).toEqual({
      logicalId: "Catalog",
      name: "shop-dev-catalog",
      place: "template.yaml:45",
      code: { _tag: "Local", path: "/project/src/catalog" },
      runtime: "nodejs22.x",
      handler: "index.handler",
      ephemeralStorageMegabytes: 1024,
      loggingFormat: "JSON",
      applicationLogLevel: "DEBUG",
      environment: {
        STAGE: "dev",
        VERSION: "1.10",
        SHARED: "own",
        TABLE: "items-dev",
        TABLE_ARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/items-dev",
        TOPIC: "arn:aws:sns:eu-west-1:123456789012:News",
        QUEUE: "https://sqs.eu-west-1.amazonaws.com/123456789012/failures",
        OTHER: "arn:aws:lambda:eu-west-1:123456789012:function:Orders",
        FIRST_ORIGIN: "https://a.example",
        HOST: "shop.example",
        API: "https://publicapi.execute-api.eu-west-1.amazonaws.com/dev",
        DEBUG: "1",
        ACCOUNT: "123456789012"
      },
      timeoutSeconds: 20,
      memoryMegabytes: 256,
      layers: [
        "arn:aws:lambda:eu-west-1:123456789012:layer:common-dev:1",
        "arn:aws:lambda:eu-west-1:123456789012:layer:tools:3"
      ],
      reservedConcurrency: 2,
      provisionedConcurrency: 1,
      deadLetterTarget: "arn:aws:sqs:eu-west-1:123456789012:failures",
      qualifiers: ["live", "1"],
      url: { authType: "NONE", invokeMode: "RESPONSE_STREAM", cors: { AllowOrigins: ["*"], MaxAge: 5 } },
      eventInvoke: { maxRetries: 1, onFailure: "arn:aws:lambda:eu-west-1:123456789012:function:Orders" }
    })
  })

  it("reads inline code, packages and images", () => {
    expect(functionNamed("Orders")).toMatchObject({
      code: { _tag: "Inline", fileName: "index.js", text: "exports.handler = async () => ({ statusCode: 204 })" },
      timeoutSeconds: 5
    })
    expect(functionNamed("Guard")?.code).toEqual({ _tag: "Local", path: "/project/src/guard.zip" })
    expect(functionNamed("Rendered")).toMatchObject({
      code: { _tag: "Image", uri: "rendered:v1" },
      imageConfig: { command: ["app.handler"] },
      layers: []
    })
    expect(functionNamed("Pulled")?.code).toEqual({
      _tag: "Image",
      uri: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pulled:1"
    })
    expect(functionNamed("Rendered")).not.toHaveProperty("runtime")
  })

  it("takes what resources of their own say of a function", () => {
    expect(functionNamed("Plain")).toMatchObject({
      code: { _tag: "Inline", fileName: "index.py" },
      qualifiers: ["1", "stable"],
      provisionedConcurrency: 2,
      url: { authType: "AWS_IAM", invokeMode: "BUFFERED" },
      eventInvoke: { maxAgeSeconds: 600 },
      // Globals are SAM's.
      environment: {},
      timeoutSeconds: 3,
      layers: []
    })
  })

  it("says of what is wrong where and why, and has no function that its condition rules out", () => {
    expect([...template.functions.keys()].sort()).toEqual([
      "Guard",
      "Orders",
      "Plain",
      "Pulled",
      "Rendered",
      "shop-dev-catalog"
    ])
    expect(template.unusable.get("Wrong")).toEqual({
      detail:
        "template.yaml:201: Wrong (AWS::Serverless::Function): there is no Nobody in the template; " +
        "template.yaml:201: Wrong (AWS::Serverless::Function): Timeout: Expected a whole number between 1 and 900",
      isElsewhere: false
    })
    expect(template.problems.map(({ functionName }) => functionName)).toEqual(["Wrong"])
    expect([...read(text, { parameters: { Stage: "prod" } }).functions.keys()]).toContain("OnlyProd")
  })

  it("names once, by line, what is not for Irori", () => {
    expect(details(template.warnings)).toEqual([
      'template.yaml:71: Catalog (AWS::Serverless::Function): the parameter Password has no value: set IRORI_TEMPLATE_PARAMETERS="Password=…"; left out',
      "template.yaml:72: Catalog (AWS::Serverless::Function): Fn::ImportValue: what other stacks export is not known here; left out",
      "template.yaml:93: Catalog (AWS::Serverless::Function): the event Uploads (S3) does not come here",
      "template.yaml:192: Rendered (AWS::Serverless::Function): its image is not built here; to build it: docker build -t rendered:v1 -f ./render/Dockerfile ./render",
      "template.yaml:43: ZippedLayer (AWS::Lambda::LayerVersion): its contents are at s3://b/k: it is left out of functions",
      "template.yaml:129: PublicApi (AWS::Serverless::Api): GatewayResponses does nothing here: API Gateway's own answers are as they are",
      "template.yaml:168: SecuredApi (AWS::Serverless::HttpApi): POST /from-definition has an integration http_proxy that is no function's, and is not served",
      "template.yaml:235: Items (AWS::DynamoDB::Table) is not made here: functions reach one by AWS_ENDPOINT_URL_DYNAMODB in their environment",
      "template.yaml:236: Files (AWS::S3::Bucket) is not made here: functions reach one by AWS_ENDPOINT_URL_S3 in their environment",
      "template.yaml:237: News (AWS::SNS::Topic) is not made here: functions reach one by AWS_ENDPOINT_URL_SNS in their environment",
      "template.yaml:238: Failures (AWS::SQS::Queue) is not made here: functions reach one by AWS_ENDPOINT_URL_SQS in their environment",
      "template.yaml:196: Remote (AWS::Serverless::Function): its code is at s3://bucket/remote.zip, and cannot run here"
    ])
  })

  it("makes the HTTP API of events that name none, with the settings of the globals", () => {
    expect(api("serverlesshttpapi")).toEqual({
      id: "serverlesshttpapi",
      kind: "http",
      stage: "$default",
      mounts: ["root", "stage"],
      binaryMediaTypes: [],
      cors: { allowOrigins: ["https://a.example", "https://b.example"], allowMethods: ["GET"], maxAgeSeconds: 60 },
      timeout: Duration.seconds(30),
      isLenient: false,
      authorizers: {},
      routes: [
        { method: "GET", path: "/items", payloadFormat: "2.0" },
        { method: "ANY", path: "$default", payloadFormat: "2.0" },
        { method: "ANY", path: "/old/{proxy+}", payloadFormat: "1.0" }
      ].map((route) => ({ ...route, functionName: "shop-dev-catalog", qualifier: "live" }))
    })
    expect(api("serverlessrestapi")).toMatchObject({
      kind: "rest",
      stage: "Prod",
      binaryMediaTypes: ["image/png"],
      routes: [{ method: "GET", path: "/implicit", functionName: "Orders" }]
    })
  })

  it("reads a REST API with its authorizers, keys and CORS", () => {
    const guard = { functionName: "Guard", payloadFormat: "1.0", hasSimpleAnswers: false }
    expect(api("publicapi")).toEqual({
      id: "publicapi",
      kind: "rest",
      stage: "dev",
      stageVariables: { color: "blue" },
      mounts: ["root", "stage"],
      binaryMediaTypes: ["image/png", "application/octet-stream"],
      preflightHeaders: {
        "access-control-allow-origin": "https://shop.example",
        "access-control-allow-methods": "OPTIONS,HEAD,GET,PUT,PATCH,POST,DELETE",
        "access-control-allow-headers": "x-a,x-b",
        "access-control-allow-credentials": "true"
      },
      timeout: Duration.seconds(29),
      isLenient: false,
      authorizers: {
        Token: {
          type: "lambda",
          kind: "token",
          identitySources: ["method.request.header.X-Token"],
          tokenPattern: "t-.*",
          ttl: Duration.seconds(30),
          ...guard
        },
        Pool: {
          type: "jwt",
          issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc",
          audience: [],
          identitySource: "method.request.header.Authorization"
        },
        Request: {
          type: "lambda",
          kind: "request",
          identitySources: [
            "method.request.header.X-A",
            "method.request.querystring.q",
            "stageVariables.color",
            "context.stage"
          ],
          ttl: Duration.seconds(300),
          ...guard
        }
      },
      routes: [
        { method: "GET", path: "/orders/{id}", authorizer: "Token", needsApiKey: true },
        { method: "ANY", path: "/open" },
        { method: "POST", path: "/scoped", authorizer: "Pool", scopes: ["orders/write"], needsApiKey: true }
      ].map((route) => ({ ...route, functionName: "Orders", payloadFormat: "1.0" }))
    })
  })

  it("reads an HTTP API with its authorizers and its definition", () => {
    expect(api("securedapi")).toMatchObject({
      stage: "v1",
      authorizers: {
        Issuer: {
          type: "jwt",
          issuer: "https://issuer.example",
          audience: ["shop"],
          identitySource: "$request.header.Authorization"
        },
        Asked: {
          type: "lambda",
          kind: "request",
          functionName: "Guard",
          identitySources: ["$request.header.Authorization"],
          ttl: Duration.seconds(10),
          payloadFormat: "2.0",
          hasSimpleAnswers: true
        },
        AWS_IAM: { type: "iam" }
      },
      routes: [
        { method: "PUT", path: "/signed", functionName: "Guard", authorizer: "AWS_IAM", payloadFormat: "2.0" },
        { method: "PUT", path: "/asked", functionName: "Guard", authorizer: "Asked", payloadFormat: "2.0" },
        {
          method: "GET",
          path: "/from-definition",
          functionName: "Guard",
          authorizer: "Issuer",
          scopes: ["read"],
          payloadFormat: "1.0"
        }
      ]
    })
  })

  it("hands schedules over as data", () => {
    expect(template.schedules).toEqual([
      {
        name: "CatalogNightly",
        kind: "rule",
        functionName: "shop-dev-catalog",
        qualifier: "live",
        expression: "rate(1 day)",
        input: '{"a":1}',
        isEnabled: false
      },
      {
        name: "morning",
        kind: "schedule",
        functionName: "shop-dev-catalog",
        qualifier: "live",
        expression: "cron(0 8 * * ? *)",
        timezone: "Europe/Berlin",
        isEnabled: true
      },
      {
        name: "PlainRule",
        kind: "rule",
        functionName: "Plain",
        expression: "rate(5 minutes)",
        isEnabled: false
      }
    ])
  })

  it("goes by the parameters that it is given", () => {
    const prod = read(text, { parameters: { Stage: "prod", Password: "secret", Origins: "https://c.example" } })
    expect(prod.functions.get("shop-prod-catalog")).toMatchObject({
      memoryMegabytes: 1024,
      reservedConcurrency: 20,
      environment: { PROD_ONLY: "1", PASSWORD: "secret", FIRST_ORIGIN: "https://c.example" }
    })
    expect(prod.functions.get("shop-prod-catalog")?.environment).not.toHaveProperty("DEBUG")
    expect(details(prod.warnings).some((one) => one.includes("Alarm (AWS::CloudWatch::Alarm) is not made here"))).toBe(
      true
    )
  })
})

describe("a template", () => {
  it("that does not parse, or is none, is refused with its line", () => {
    const refused = (text: string) => readTemplate(text, options)
    expect(refused("Resources:\n  F: {\n")).toMatch(/^template\.yaml:\d: Flow map/)
    expect(refused("Resources:\n  A: 1\n  A: 2\n")).toBe("template.yaml:3: Map keys must be unique")
    expect(refused("- a\n")).toBe("template.yaml:1: Expected the sections of a template, such as 'Resources'")
    expect(refused("Description: x\n")).toBe("template.yaml:1: Expected the section 'Resources'")
  })

  it("may be JSON", () => {
    const Resources = { F: { Type: "AWS::Lambda::Function", Properties: { Code: "src", Runtime: "provided.al2023" } } }
    expect(read(JSON.stringify({ Resources })).functions.get("F")).toMatchObject({ code: { path: "/project/src" } })
  })

  it.each([
    ["Timeout: 0", "Timeout: Expected a whole number between 1 and 900"],
    ["MemorySize: much", "MemorySize: Expected a whole number between 128 and 10240"],
    ["FunctionName: 'a b'", "'a b' is no function name: 1 to 64 letters, digits, - or _"],
    ["Environment: { Variables: { AWS_REGION: x } }", "the variable AWS_REGION is reserved: Lambda sets it"],
    ["Environment: { Variables: { A: { b: 1 } } }", "A: Expected a text"],
    ["FunctionUrlConfig: {}", "AuthType is missing: NONE or AWS_IAM"],
    ["EphemeralStorage: { Size: 1 }", "Size: Expected a whole number between 512 and 10240"],
    [
      "ReservedConcurrentExecutions: 1, ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 }",
      "2 cannot be provisioned of 1 that are reserved"
    ]
  ])("makes a function unusable for %s", (property, detail) => {
    const template = functionWith(`${complete}, ${property}`)
    expect(template.functions.size).toBe(0)
    expect([...template.unusable.values()][0]?.detail).toContain(`F (AWS::Serverless::Function): ${detail}`)
  })

  it("refuses a function without a handler or a runtime", () => {
    expect(functionWith("CodeUri: src").unusable.get("F")?.detail).toContain("Runtime is missing")
    expect(functionWith("CodeUri: src, Runtime: python3.13").unusable.get("F")?.detail).toContain("Handler is missing")
    expect(functionWith("CodeUri: src, Runtime: provided.al2023").functions.has("F")).toBe(true)
  })

  it("has one function of a name", () => {
    const template = functionWith(
      `${complete}, FunctionName: G`,
      `  G:\n    Type: AWS::Serverless::Function\n    Properties: { ${complete} }\n`
    )
    expect(template.functions.get("G")?.logicalId).toBe("F")
    expect(details(template.problems)).toEqual([
      "template.yaml:5: G (AWS::Serverless::Function): F has the name G already"
    ])
  })

  it("warns of a property that it does not know, and of a build that was not made", () => {
    const template = functionWith(`${complete}, Timeuot: 5`, "    Metadata: { BuildMethod: esbuild }\n")
    expect(template.functions.get("F")?.timeoutSeconds).toBe(3)
    expect(details(template.warnings)).toEqual([
      "template.yaml:4: F (AWS::Serverless::Function): Timeuot: Irori does nothing with this property",
      "template.yaml:4: F (AWS::Serverless::Function): it is built by esbuild, which Irori does not do: run sam build, and set IRORI_TEMPLATE to .aws-sam/build/template.yaml"
    ])
  })

  it("reads a definition out of the file that it includes, and knows that file", () => {
    const definition = `paths:\n  /a:\n    x-amazon-apigateway-any-method:\n      x-amazon-apigateway-integration: { type: AWS_PROXY, uri: !GetAtt F.Arn }\n      security: [{ key: [] }]\ncomponents:\n  securitySchemes: { key: { type: apiKey, name: x-api-key, in: header } }\n`
    const template = read(
      `Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: { ${complete} }\n  A:\n    Type: AWS::Serverless::Api\n    Properties:\n      StageName: v1\n      DefinitionBody: { "Fn::Transform": { Name: AWS::Include, Parameters: { Location: openapi.yaml } } }\n`,
      { readFile: (path) => (path === "/project/openapi.yaml" ? definition : undefined) }
    )
    expect(template.files).toEqual(["/project/openapi.yaml"])
    expect(template.apis[0]?.routes).toEqual([
      { method: "ANY", path: "/a", functionName: "F", needsApiKey: true, payloadFormat: "1.0" }
    ])
  })

  it("leaves a route whose authorizer cannot be read to nobody", () => {
    const template = functionWith(
      `${complete}, Events: { E: { Type: HttpApi, Properties: { ApiId: !Ref A, Path: /x, Method: get } } }`,
      "  A:\n    Type: AWS::Serverless::HttpApi\n    Properties: { Auth: { DefaultAuthorizer: Odd, Authorizers: { Odd: {} } } }\n"
    )
    expect(template.apis[0]).toMatchObject({ authorizers: {}, routes: [{ path: "/x", authorizer: "Odd" }] })
    expect(details(template.problems)[0]).toContain("this authorizer is of no kind that is known here")
  })

  it("warns of a parameter that it does not have, and refuses a value that it does not allow", () => {
    const text = "Parameters:\n  S: { Type: String, AllowedValues: [a], Default: a }\nResources: {}\n"
    expect(details(read(text, { parameters: { T: "1" } }).warnings)).toEqual([
      "template.yaml:1: there is no parameter T, which IRORI_TEMPLATE_PARAMETERS has"
    ])
    expect(details(read(text, { parameters: { S: "b" } }).problems)).toEqual([
      "template.yaml:2: the parameter S does not allow its value of IRORI_TEMPLATE_PARAMETERS"
    ])
  })

  it("takes functions that are named after each other by their logical ids, and merges anchors", () => {
    const template = read(
      `Resources:\n  A:\n    Type: AWS::Serverless::Function\n    Properties: &p { ${complete}, FunctionName: !Ref B }\n  B:\n    Type: AWS::Serverless::Function\n    Properties: { <<: *p, FunctionName: !Ref A }\n`
    )
    expect([...template.functions.keys()]).toEqual(["A", "B"])
    expect(template.functions.get("B")).toMatchObject({ handler: "index.handler", runtime: "nodejs22.x" })
  })
})
