/** HTTP on plain sockets, on whichever runtime: `ClientConnection` speaks it, this opens and closes. */
import { createServer, type Socket } from "node:net"
import { Deferred, Effect } from "effect"
import { ClientConnection } from "./ClientConnection.ts"
import { type Listen, type ListenFailed, listenFailed } from "./HttpServer.ts"

export const listen: Listen = Effect.fnUntraced(function* (options) {
  const connections = new Map<Socket, ClientConnection>()
  const allClosed = yield* Deferred.make<void>()
  let isDraining = false
  const server = createServer((socket) => {
    connections.set(socket, new ClientConnection(socket, { ...options, scheme: "http" }))
    socket.on("close", () => {
      connections.delete(socket)
      if (isDraining && connections.size === 0) Deferred.doneUnsafe(allClosed, Effect.void)
    })
  })
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
