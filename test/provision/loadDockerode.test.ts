/** What is loaded of dockerode, and when; the engine is a few lines, no Docker is needed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Agent, createServer, type IncomingMessage, type RequestListener, type Server } from "node:http"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Context, Effect, Layer } from "effect"
import { afterAll, afterEach, expect, it } from "vitest"
import { DockerAdaptor } from "../../src/provision/DockerAdaptor.ts"
import { loadDockerode } from "../../src/provision/loadDockerode.ts"

const folder = mkdtempSync(join(tmpdir(), "irori-dockerode-"))
const servers: Array<Server> = []

/** The path of the socket where `answer` answers until the test ends. */
const engine = async (answer: RequestListener): Promise<string> => {
  const socketPath = join(folder, `${servers.length}.sock`)
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((listening) => server.listen(socketPath, listening))
  return socketPath
}

afterEach(() => {
  for (const server of servers) server.closeAllConnections()
})

afterAll(() => {
  for (const server of servers) server.close()
  rmSync(folder, { recursive: true, force: true })
})

const bytesOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

const { cache } = createRequire(import.meta.url)
const isLoaded = (name: string) => Object.keys(cache).some((file) => file.includes(`/node_modules/${name}/`))

// The first of the file, since what is loaded stays.
it("what Irori asks of an engine loads no gRPC, protobuf, SSH client or archiver", async () => {
  const host = `unix://${await engine((_, response) => void response.end("[]"))}`
  const asked = Effect.gen(function* () {
    const adaptor = Context.get(yield* Layer.build(DockerAdaptor.layer({ host })), DockerAdaptor)
    yield* adaptor.ping
    return yield* adaptor.list({ a: "b" })
  })
  expect(await Effect.runPromise(Effect.scoped(asked))).toEqual([])
  const names = ["dockerode", "docker-modem", "@grpc/grpc-js", "protobufjs", "ssh2", "tar-stream", "readable-stream"]
  expect(names.filter(isLoaded)).toEqual(["dockerode", "docker-modem"])
})

it("a folder is packed without what its .dockerignore names", async () => {
  const asked = Promise.withResolvers<Buffer>()
  const socketPath = await engine((request, response) => {
    asked.resolve(bytesOf(request))
    response.end("{}")
  })
  writeFileSync(join(folder, "Dockerfile"), "FROM scratch")
  writeFileSync(join(folder, "secret"), "not to be sent")
  writeFileSync(join(folder, ".dockerignore"), "secret\n*.sock")
  const Docker = await loadDockerode()
  const build = { context: folder, src: ["Dockerfile", "secret", ".dockerignore"] }
  const answer = await new Docker({ socketPath }).buildImage(build)
  answer.resume()
  const archive = gunzipSync(await asked.promise).toString("latin1")
  expect([archive.includes("FROM scratch"), archive.includes("not to be sent")]).toEqual([true, false])
})

it("a container whose input stays open says what it prints", async () => {
  const socketPath = await engine((_, response) => void response.end("hello"))
  const Docker = await loadDockerode()
  const container = new Docker({ socketPath }).getContainer("one")
  const stream = await container.attach({ stream: true, stdin: true, stdout: true })
  const printed = await new Promise<string>((resolve) => stream.once("data", (bytes) => resolve(String(bytes))))
  expect(printed).toBe("hello")
  stream.end()
})

it("a build with a session asks for one", async () => {
  const asked: Array<string> = []
  const socketPath = await engine((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(500).end('{"message":"no sessions here"}')
  })
  const Docker = await loadDockerode()
  const build = new Docker({ socketPath }).buildImage(folder, { version: "2" })
  await expect(build).rejects.toThrow("no sessions here")
  expect(asked).toEqual(["POST /session"])
  expect(isLoaded("@grpc/grpc-js")).toBe(true)
})

it("an engine behind SSH is reached by an agent that speaks it", async () => {
  await loadDockerode()
  const ssh = createRequire(createRequire(import.meta.url).resolve("docker-modem"))("./ssh")
  expect(isLoaded("ssh2")).toBe(false)
  expect(ssh({ host: "127.0.0.1", username: "nobody" })).toBeInstanceOf(Agent)
  expect(isLoaded("ssh2")).toBe(true)
})
