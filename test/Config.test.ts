import { Duration, Effect, Option } from "effect"
import { describe, expect, it } from "vitest"
import { loadSettings } from "../src/Config.ts"

const load = (environment: Record<string, string> = {}) => Effect.runPromise(loadSettings(environment))
const refusal = (environment: Record<string, string>) =>
  Effect.runPromise(Effect.flip(loadSettings(environment))).then(({ message }) => message)

describe("loadSettings", () => {
  it("needs nothing to be set", async () => {
    const settings = await load()
    expect(settings).toMatchObject({
      role: "all",
      host: "127.0.0.1",
      port: 3000,
      provisioner: "auto",
      logFormat: "pretty"
    })
    expect(settings.dockerMaxWorkers).toBe(20)
    expect(Duration.toSeconds(settings.dockerTimeout)).toBe(60)
    expect(Option.isNone(settings.apiKey)).toBe(true)
  })

  it("has the predecessor's settings under their names, in seconds", async () => {
    const settings = await load({
      DEFAULT_MAX_CAPACITY: "1",
      POOL_ACQUIRE_TIMEOUT: "5.5",
      GATEWAY_IDLE_TIMEOUT_SECONDS: "60",
      HEARTBEAT_INTERVAL: "10",
      DOCKER_MAX_WORKERS: "3",
      DOCKER_CLIENT_TIMEOUT: "2",
      CONTAINERS_NETWORK: "internal",
      LAMBDA_PORT: "9000"
    })
    expect(settings).toMatchObject({ maxCapacity: 1, dockerMaxWorkers: 3, network: "internal", riePort: 9000 })
    expect(Duration.toMillis(settings.acquireTimeout)).toBe(5500)
  })

  it("has a sign-in where all of it is set, and none where nothing is", async () => {
    expect((await load()).signIn).toBeUndefined()
    const whole = { JWT_SECRET_KEY: "s".repeat(32), X_API_KEY: "key", AUTH_USER: "admin", AUTH_PASS: "password" }
    const { signIn } = await load(whole)
    expect(signIn).toMatchObject({ path: "/user/auth/v1", apiKey: "key", user: "admin", password: "password" })
    expect(Duration.toSeconds(signIn!.life)).toBe(3000)
    for (const name of Object.keys(whole)) {
      expect(await refusal({ ...whole, [name]: "" })).toContain(`Sign-in is half set up: set ${name} as well`)
    }
    const short = await refusal({ ...whole, JWT_SECRET_KEY: "q".repeat(31) })
    expect(short).toBe("JWT_SECRET_KEY is too short: it needs at least 32 characters.")
  })

  it("takes an empty variable for one that is not set", async () => {
    expect((await load({ IRORI_PORT: "", AWS_REGION: "" })).region).toBe("us-east-1")
  })

  it("ignores the switch that turned pooling off", async () => {
    expect(await load({ ENABLE_CONTAINER_POOLING: "false" })).toMatchObject({ maxCapacity: 10 })
  })

  it("gives a manager a port of its own, and production a log for machines", async () => {
    expect(await load({ IRORI_ROLE: "manager", NODE_ENV: "production" })).toMatchObject({
      port: 3001,
      logFormat: "json"
    })
  })

  it("reads how asynchronous events are tried again, and who is told of them", async () => {
    const settings = await load({
      IRORI_ASYNC_RETRY_DELAYS: "0.5, 10",
      IRORI_DESTINATIONS:
        "arn:aws:sqs:us-east-1:000000000000:q=http://h/q?a=b, arn:aws:sns:us-east-1:000000000000:t=file:///t",
      IRORI_DESTINATION_ROOTS: "/a:/b"
    })
    expect(settings.asyncRetryDelays.map(Duration.toSeconds)).toEqual([0.5, 10])
    expect([...settings.destinations]).toEqual([
      ["arn:aws:sqs:us-east-1:000000000000:q", "http://h/q?a=b"],
      ["arn:aws:sns:us-east-1:000000000000:t", "file:///t"]
    ])
    expect(settings.destinationRoots).toEqual(["/a", "/b"])
    expect((await load()).asyncRetryDelays.map(Duration.toSeconds)).toEqual([60, 120])
  })

  it.each([
    [{ IRORI_ASYNC_RETRY_DELAYS: "60,soon" }, "IRORI_ASYNC_RETRY_DELAYS=60,soon cannot be used"],
    [{ IRORI_DESTINATIONS: "arn:aws:sqs:x" }, 'IRORI_DESTINATIONS: "arn:aws:sqs:x" is not of the form'],
    [{ IRORI_DESTINATIONS: "arn:aws:sqs:x=ftp://h" }, 'IRORI_DESTINATIONS: "arn:aws:sqs:x=ftp://h" is not of the form']
  ])("refuses %j, and says what is wrong", async (environment, text) => {
    expect(await refusal(environment as Record<string, string>)).toContain(text)
  })

  it("reads which images stand in for AWS's", async () => {
    const { baseImages } = await load({ IRORI_BASE_IMAGES: "nodejs22.x=my/node:1, python3.13=host:5000/py@sha256:00" })
    expect([...baseImages]).toEqual([
      ["nodejs22.x", "my/node:1"],
      ["python3.13", "host:5000/py@sha256:00"]
    ])
  })

  it("reads parameters of a template, whose values may have commas", async () => {
    const { templateParameters } = await load({ IRORI_TEMPLATE_PARAMETERS: "Stage=dev,Names=a,b, Url=http://h/?a=b" })
    expect(templateParameters).toEqual({ Stage: "dev", Names: "a,b", Url: "http://h/?a=b" })
    expect((await load()).templateParameters).toEqual({})
    expect(await refusal({ IRORI_TEMPLATE_PARAMETERS: "Stage" })).toContain('"Stage" is not of the form Name=value')
  })

  it("reads who may sign requests, and whose word counts for where they come from", async () => {
    const { credentials, trustedProxies } = await load({
      IRORI_ACCOUNT_ID: "123456789012",
      IRORI_CREDENTIALS: "AKID:secret",
      IRORI_TRUSTED_PROXIES: "10.0.0.0/8"
    })
    expect(credentials.get("AKID")?.userArn).toBe("arn:aws:iam::123456789012:root")
    expect(trustedProxies(new Headers({ "x-forwarded-for": "192.0.2.1" }), "10.0.0.1").sourceIp).toBe("192.0.2.1")
    const byDefault = await load({})
    expect(byDefault.credentials.size).toBe(0)
    expect(byDefault.trustedProxies(new Headers(), "10.0.0.1").sourceIp).toBe("10.0.0.1")
  })

  it.each([
    [
      "a misspelt choice",
      { IRORI_ROLE: "gatway" },
      /^IRORI_ROLE=gatway cannot be used: choose one of all, gateway, manager\.$/
    ],
    ["a port that is none", { IRORI_PORT: "65536" }, /^IRORI_PORT=65536 cannot be used: .*65535/],
    ["a number that is none", { DOCKER_CLIENT_TIMEOUT: "soon" }, /^DOCKER_CLIENT_TIMEOUT=soon cannot be used/],
    ["no permits at all", { DOCKER_MAX_WORKERS: "0" }, /^DOCKER_MAX_WORKERS=0 cannot be used/],
    ["an account that is none", { IRORI_ACCOUNT_ID: "12" }, /^IRORI_ACCOUNT_ID=12 cannot be used/],
    ["a key that is easily guessed", { IRORI_API_KEY: "short" }, /at least 16 characters/],
    ["an open address without a key", { IRORI_HOST: "0.0.0.0" }, /set IRORI_API_KEY .*or listen on 127\.0\.0\.1/],
    ["a credential without a secret", { IRORI_CREDENTIALS: "AKID" }, /^IRORI_CREDENTIALS: entry 1 is not of the form/],
    ["a proxy that is no address", { IRORI_TRUSTED_PROXIES: "proxy" }, /^IRORI_TRUSTED_PROXIES: "proxy" is no address/],
    ["an image without a runtime", { IRORI_BASE_IMAGES: "my/node:1" }, /"my\/node:1" is not of the form runtime=image/]
  ])("refuses %s in one line that says what to do", async (_, environment, line) => {
    const message = await refusal(environment as Record<string, string>)
    expect(message).toMatch(line)
    expect(message).not.toContain("\n")
  })

  it("listens to other machines with a key, and a manager does with its token", async () => {
    expect((await load({ IRORI_HOST: "0.0.0.0", IRORI_API_KEY: "0123456789abcdef" })).host).toBe("0.0.0.0")
    expect((await load({ IRORI_HOST: "0.0.0.0", IRORI_ROLE: "manager" })).host).toBe("0.0.0.0")
  })
})
