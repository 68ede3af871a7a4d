/** HTTP on plain sockets, on whichever runtime: `ClientConnection` speaks it, this opens and closes. */
import { createServer, type Socket } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import { Deferred, Effect } from "effect"
import { makeDeadlines } from "../invoke/Deadlines.ts"
import { ClientConnection } from "./ClientConnection.ts"
import { type ConnectionTls, type Listen, type ListenFailed, listenFailed } from "./HttpServer.ts"
import type { ServerCertificate } from "./ServerCertificate.ts"

export const listen: Listen = Effect.fnUntraced(function* (options) {
  const connections = new Map<Socket, ClientConnection>()
  const deadlines = yield* makeDeadlines
  const allClosed = yield* Deferred.make<void>()
  let isDraining = false
  const accept = (socket: Socket, tls?: ConnectionTls) => {
    connections.set(
      socket,
      new ClientConnection(socket, { ...options, deadlines, ...(tls === undefined ? {} : { tls }) })
    )
    socket.on("close", () => {
      connections.delete(socket)
      if (isDraining && connections.size === 0) Deferred.doneUnsafe(allClosed, Effect.void)
    })
  }
  const server =
    options.certificate === undefined
      ? createServer((socket) => accept(socket))
      : createSecureServer(options.certificate, accept)
  const port = yield* Effect.acquireRelease(
    Effect.callback<number, ListenFailed>((resume) => {
      server.once("error", (cause) => resume(Effect.fail(listenFailed(options, cause))))
      server.listen(options.port, options.host, () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : options.port))
      })
    }),
    () =>
      Effect.sync(() => {
        server.close()
        for (const socket of connections.keys()) socket.destroy()
      })
  )
  const drain = Effect.suspend(() => {
    isDraining = true
    server.close()
    if (connections.size === 0) return Effect.void
    for (const connection of connections.values()) connection.close()
    return Deferred.await(allClosed)
  })
  return { port, drain }
})

/** A client that has not shaken hands after this long is let go. */
const handshakeMillis = 10_000

const createSecureServer = (certificate: ServerCertificate, accept: (socket: Socket, tls: ConnectionTls) => void) => {
  const context = () => ({ ...certificate.current(), minVersion: "TLSv1.2" as const, honorCipherOrder: true })
  const server = createTlsServer(
    { ...context(), ALPNProtocols: ["http/1.1"], handshakeTimeout: handshakeMillis },
    (socket) => accept(socket, { version: socket.getProtocol() ?? "", cipher: socket.getCipher().name })
  )
  // Who speaks another language, or an old one, has been told so by the library.
  server.on("tlsClientError", (_, socket) => socket.destroy())
  certificate.onChange(() => server.setSecureContext(context()))
  return server
}
