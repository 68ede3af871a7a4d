import { X509Certificate } from "node:crypto"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls"
import { Effect, Exit, Logger, Scope } from "effect"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { clientAddressOf, tlsOf } from "../../src/http/HttpServer.ts"
import { listen } from "../../src/http/NetHttpServer.ts"
import { rawOf } from "../../src/http/RawRequest.ts"
import { certificateFiles, developmentCertificate, type ServerCertificate } from "../../src/http/ServerCertificate.ts"
import { selfSignedCertificate } from "../../src/http/selfSignedCertificate.ts"

const folders: Array<string> = []
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "irori-tls-"))
  folders.push(folder)
  return folder
}
const scopes: Array<Scope.Closeable> = []
afterEach(async () => {
  for (const scope of scopes.splice(0)) await Effect.runPromise(Scope.close(scope, Exit.void))
})
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const day = 86_400_000
const pair = (name: string, hosts = ["localhost", "127.0.0.1"], untilMillis = Date.now() + 90 * day) =>
  selfSignedCertificate({ name, hosts, fromMillis: Date.now() - day, untilMillis })

/** An open connection, or the code of why there is none. */
const shake = (port: number, options: ConnectionOptions): Promise<TLSSocket | string> =>
  new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", servername: "localhost", port, ...options }, () => resolve(socket))
    socket.on("error", (error) => resolve("code" in error ? String(error.code) : error.message))
  })

const opened = async (port: number, options: ConnectionOptions): Promise<TLSSocket> => {
  const socket = await shake(port, options)
  if (typeof socket === "string") throw new Error(socket)
  return socket
}

/** What comes back until it matches, or until the other side closes. */
const say = (socket: TLSSocket, text: string, enough?: RegExp): Promise<string> =>
  new Promise((resolve) => {
    let received = ""
    const hear = (chunk: Buffer) => {
      received += chunk.toString("latin1")
      if (enough?.test(received) === true) done()
    }
    const done = () => {
      socket.off("data", hear)
      resolve(received)
    }
    socket.on("data", hear)
    socket.on("close", done)
    socket.write(Buffer.from(text, "latin1"))
  })

const serve = async (certificate: ServerCertificate) => {
  const scope = Scope.makeUnsafe()
  scopes.push(scope)
  const fetch = async (request: Request) => {
    const body = await request.text()
    return Response.json({
      url: request.url,
      address: clientAddressOf(request),
      tls: tlsOf(request),
      names: rawOf(request).fields.map(([name]) => name),
      body
    })
  }
  const options = { host: "127.0.0.1", port: 0, maxBodyBytes: 1024 * 1024, fetch, certificate }
  return await Effect.runPromise(Scope.provide(listen(options), scope))
}

const fixed = (given: { readonly cert: string; readonly key: string }): ServerCertificate => ({
  current: () => given,
  onChange: () => {}
})

describe("a server of HTTPS", () => {
  const own = pair("own")
  let port = 0
  const scope = Scope.makeUnsafe()
  beforeAll(async () => {
    const fetch = async (request: Request) => {
      const body = await request.text()
      const { fields } = rawOf(request)
      return Response.json({ url: request.url, address: clientAddressOf(request), tls: tlsOf(request), fields, body })
    }
    const options = { host: "127.0.0.1", port: 0, maxBodyBytes: 1024 * 1024, fetch, certificate: fixed(own) }
    port = (await Effect.runPromise(Scope.provide(listen(options), scope))).port
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  it("knows its requests as they were written, how they were encrypted and where they come from", async () => {
    const socket = await opened(port, { ca: own.cert })
    const answer = await say(
      socket,
      "POST /a?b HTTP/1.1\r\nHost: localhost\r\nX-Odd: 1\r\nContent-Length: 2\r\n\r\nhi",
      /\}$/
    )
    socket.destroy()
    expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toEqual({
      url: "https://localhost/a?b",
      address: "127.0.0.1",
      tls: { version: "TLSv1.3", cipher: expect.stringMatching(/^TLS_[A-Z0-9_]+$/) },
      fields: [
        ["Host", "localhost"],
        ["X-Odd", "1"],
        ["Content-Length", "2"]
      ],
      body: "hi"
    })
  })

  it("stays HTTPS under a short host", async () => {
    const socket = await opened(port, { ca: own.cert })
    const answer = await say(socket, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    expect(answer).toContain('"url":"https://localhost/a"')
  })

  it("keeps connections, and answers in order what comes together", async () => {
    const socket = await opened(port, { ca: own.cert })
    const one = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
    const answer = await say(socket, one("/1") + one("/2"), /\/2".*\}$/s)
    expect(answer.match(/localhost\/\d/g)).toEqual(["localhost/1", "localhost/2"])
    expect(await say(socket, one("/3"), /\/3".*\}$/s)).toContain("localhost/3")
    socket.destroy()
  })

  it("speaks HTTP/1.1 alone, of which both sides know", async () => {
    const socket = await opened(port, { ca: own.cert, ALPNProtocols: ["h2", "http/1.1"] })
    expect(socket.alpnProtocol).toBe("http/1.1")
    socket.destroy()
    expect(await shake(port, { ca: own.cert, ALPNProtocols: ["h2"] })).toMatch(/NO_APPLICATION_PROTOCOL/)
  })

  it.each(["TLSv1.2", "TLSv1.3"] as const)("speaks %s", async (version) => {
    const socket = await opened(port, { ca: own.cert, minVersion: version, maxVersion: version })
    expect(socket.getProtocol()).toBe(version)
    socket.destroy()
  })

  it.each(["TLSv1", "TLSv1.1"] as const)("refuses %s", async (version) => {
    expect(await shake(port, { ca: own.cert, minVersion: version, maxVersion: version })).toMatch(/PROTOCOL/)
  })

  it("is not taken for another one, nor trusted by who does not know it", async () => {
    expect(await shake(port, { ca: own.cert, servername: "example.com" })).toMatch(/ALTNAME|HOSTNAME/)
    expect(await shake(port, {})).toMatch(/SELF_SIGNED|UNABLE_TO_VERIFY/)
  })

  it("lets go of who speaks plain HTTP, and goes on", async () => {
    const { speak } = await import("./speak.ts")
    const said = await speak(port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").catch(() => "")
    expect(said).not.toContain("200 OK")
    const socket = await opened(port, { ca: own.cert })
    socket.destroy()
  })

  const post = "POST / HTTP/1.1\r\nHost: localhost\r\n"
  it.each([
    ["a length and chunks", `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ["two lengths", `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
    ["bad chunks", `${post}Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n`],
    ["a folded header", `${post}X-A: b\r\n c\r\n\r\n`],
    ["line feeds alone", "GET / HTTP/1.1\nHost: localhost\n\n"],
    ["a blank before a colon", `${post}Content-Length : 5\r\n\r\nhello`],
    ["an invalid host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"]
  ])("refuses %s as without encryption", async (_, text) => {
    const socket = await opened(port, { ca: own.cert })
    expect(await say(socket, text)).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe("a certificate of files", () => {
  const write = (folder: string, given: { readonly cert: string; readonly key: string }) => {
    writeFileSync(join(folder, "key.pem"), given.key)
    writeFileSync(join(folder, "cert.pem"), given.cert)
  }
  const open = async (folder: string, log: Array<string> = []) => {
    const scope = Scope.makeUnsafe()
    scopes.push(scope)
    const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") }
    const logger = Logger.layer([Logger.make(({ message }) => void log.push(String(message)))])
    return Effect.runPromise(Scope.provide(certificateFiles(files), scope).pipe(Effect.provide(logger)))
  }

  it("is shown to new connections once it has changed; those there are go on", async () => {
    const folder = newFolder()
    const [before, after] = [pair("before"), pair("after")]
    write(folder, before)
    const certificate = await open(folder)
    const { port } = await serve(certificate)
    const old = await opened(port, { ca: before.cert })
    const changed = new Promise<void>((resolve) => certificate.onChange(resolve))
    write(folder, after)
    await changed
    const fresh = await opened(port, { ca: after.cert, ALPNProtocols: ["http/1.1"] })
    expect(fresh.getPeerCertificate().subject.CN).toBe("after")
    expect(fresh.alpnProtocol).toBe("http/1.1")
    expect(await shake(port, { ca: before.cert })).toMatch(/SELF_SIGNED|SIGNATURE|UNABLE/)
    expect(await shake(port, { ca: after.cert, minVersion: "TLSv1", maxVersion: "TLSv1.1" })).toMatch(/PROTOCOL/)
    const one = "GET /old HTTP/1.1\r\nHost: localhost\r\n\r\n"
    expect(await say(old, one, /\}$/)).toContain("https://localhost/old")
    old.destroy()
    fresh.destroy()
  })

  it("stays what it was while its files cannot be used, and that is said", async () => {
    const folder = newFolder()
    const before = pair("before")
    write(folder, before)
    const log: Array<string> = []
    const certificate = await open(folder, log)
    writeFileSync(join(folder, "cert.pem"), pair("another").cert)
    for (let turn = 0; log.length === 0 && turn < 100; turn++) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(log).toEqual([
      expect.stringMatching(/cannot be used: the key is another one's\. The one before it is used on\.$/)
    ])
    expect(certificate.current()).toEqual(before)
  })

  it.each([
    ["are not there", () => {}],
    ["do not belong together", (folder: string) => write(folder, { cert: pair("a").cert, key: pair("b").key })],
    ["are none", (folder: string) => write(folder, { cert: "cert", key: "key" })]
  ])("is refused at the start where its files %s", async (_, prepare) => {
    const folder = newFolder()
    prepare(folder)
    await expect(open(folder)).rejects.toThrow(`The certificate ${join(folder, "cert.pem")} with the key`)
  })
})

describe("a certificate for development", () => {
  const make = (folder: string, hosts: ReadonlyArray<string>) =>
    Effect.runPromise(developmentCertificate({ folder, hosts }))

  it("is made once, for this machine and the hosts that are told, and kept where nobody else reads it", async () => {
    const folder = newFolder()
    const hosts = ["127.0.0.1", "irori.test", "fe80::1", "*.lambda-url.us-east-1.localhost"]
    const first = (await make(folder, hosts)).current()
    expect(new X509Certificate(first.cert).ca).toBe(false)
    for (const name of ["localhost", "a.lambda-url.us-east-1.localhost", "irori.test"])
      expect(new X509Certificate(first.cert).checkHost(name)).toBeDefined()
    for (const ip of ["127.0.0.1", "::1", "fe80::1"]) expect(new X509Certificate(first.cert).checkIP(ip)).toBeDefined()
    for (const file of ["certificate.pem", "key.pem"])
      expect(statSync(join(folder, "tls", file)).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, "tls", "certificate.pem"), "utf8")).toBe(first.cert)
    expect(existsSync(join(folder, "tls", "key.pem.new"))).toBe(false)
    expect((await make(folder, hosts)).current()).toEqual(first)
  })

  it("is made anew for other hosts, and when it is soon over", async () => {
    const folder = newFolder()
    const first = (await make(folder, [])).current()
    const second = (await make(folder, ["irori.test"])).current()
    expect(second.cert).not.toBe(first.cert)
    const hosts = ["localhost", "*.localhost", "127.0.0.1", "::1"]
    const old = pair("old", hosts, Date.now() + 20 * day)
    writeFileSync(join(folder, "tls", "certificate.pem"), old.cert)
    writeFileSync(join(folder, "tls", "key.pem"), old.key)
    expect((await make(folder, [])).current().cert).not.toBe(old.cert)
    const good = pair("good", hosts, Date.now() + 40 * day)
    writeFileSync(join(folder, "tls", "certificate.pem"), good.cert)
    writeFileSync(join(folder, "tls", "key.pem"), good.key)
    expect((await make(folder, [])).current()).toEqual(good)
  })

  it("is taken by who trusts it", async () => {
    const certificate = await make(newFolder(), [])
    const { port } = await serve(certificate)
    const socket = await opened(port, { ca: certificate.current().cert })
    expect(socket.authorized).toBe(true)
    socket.destroy()
  })
})
