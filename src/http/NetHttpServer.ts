/** HTTP on connections of whichever runtime: `ClientConnection` speaks it, this opens and closes. */
import type { Socket } from "node:net"
import { createServer, type TLSSocket } from "node:tls"
import { Deferred, Effect, type Scope } from "effect"
import { makeDeadlines } from "../invoke/Deadlines.ts"
import { type ByteStream, ListenFailed as NoListener, streams } from "../net/ByteStream.ts"
import { streamOf } from "../net/NodeStreams.ts"
import { ClientConnection } from "./ClientConnection.ts"
import { type ConnectionTls, type HttpServerOptions, type Listen, listenFailed } from "./HttpServer.ts"
import { KnownFields } from "./KnownFields.ts"
import { readRequestFields } from "./requestHead.ts"
import type { ServerCertificate } from "./ServerCertificate.ts"

export const listen: Listen = Effect.fnUntraced(function* (options) {
  const connections = new Set<ClientConnection>()
  const deadlines = yield* makeDeadlines
  const allClosed = yield* Deferred.make<void>()
  let isDraining = false
  const onClosed = (connection: ClientConnection) => {
    connections.delete(connection)
    if (isDraining && connections.size === 0) Deferred.doneUnsafe(allClosed, Effect.void)
  }
  const ofAll = { ...options, deadlines, onClosed, knownFields: new KnownFields(readRequestFields) }
  const accept = (stream: ByteStream, tls?: ConnectionTls) => {
    connections.add(new ClientConnection(stream, ofAll, tls))
  }
  const { listen } = yield* streams
  const { port, stop } = yield* Effect.mapError(
    options.certificate === undefined ? listen(options, accept) : listenSecurely(options, options.certificate, accept),
    ({ cause }) => listenFailed(options, cause)
  )
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const connection of connections) connection.destroy()
    })
  )
  const drain = Effect.suspend(() => {
    isDraining = true
    stop()
    if (connections.size === 0) return Effect.void
    for (const connection of connections) connection.close()
    return Deferred.await(allClosed)
  })
  return { port, drain }
})

/** A client that has not shaken hands after this long is let go. */
const handshakeMillis = 10_000

const listenSecurely = (
  { host, port }: HttpServerOptions,
  certificate: ServerCertificate,
  accept: (stream: ByteStream, tls: ConnectionTls) => void
): Effect.Effect<{ readonly port: number; readonly stop: () => void }, NoListener, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const server = createSecureServer(certificate, (socket) =>
        accept(streamOf(socket), { version: socket.getProtocol() ?? "", cipher: socket.getCipher().name })
      )
      server.once("error", (cause) => resume(Effect.fail(new NoListener({ host, cause }))))
      server.listen(port, host, () => {
        const address = server.address()
        const opened = typeof address === "object" && address !== null ? address.port : port
        resume(Effect.succeed({ port: opened, stop: () => void server.close() }))
      })
    }),
    ({ stop }) => Effect.sync(stop)
  )

const createSecureServer = (certificate: ServerCertificate, accept: (socket: TLSSocket) => void) => {
  const context = () => ({ ...certificate.current(), minVersion: "TLSv1.2" as const, honorCipherOrder: true })
  const server = createServer({ ...context(), ALPNProtocols: ["http/1.1"], handshakeTimeout: handshakeMillis }, accept)
  // Who speaks another language, or an old one, has been told so by the library.
  server.on("tlsClientError", (_, socket: Socket) => socket.destroy())
  certificate.onChange(() => server.setSecureContext(context()))
  return server
}
