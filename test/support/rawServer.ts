/** A TCP server that a test scripts: it sees the bytes that came, and sends what it likes. */
import { createServer, type Socket } from "node:net"
import { Effect } from "effect"

export interface RawRequest {
  /** Of the connections this server has accepted, from 1. */
  readonly connection: number
  readonly head: string
  readonly body: Buffer
}

export interface RawServer {
  readonly port: number
  readonly requests: ReadonlyArray<RawRequest>
}

/** `answer` gets every whole request (with a content length) and its socket. */
export const rawServer = (answer: (request: RawRequest, socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<RawServer & { readonly close: () => void }>((resume) => {
      const requests: Array<RawRequest> = []
      const sockets = new Set<Socket>()
      let connections = 0
      const server = createServer((socket) => {
        const connection = ++connections
        sockets.add(socket)
        let pending = Buffer.alloc(0)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
        socket.on("data", (chunk: Buffer) => {
          pending = Buffer.concat([pending, chunk])
          const end = pending.indexOf("\r\n\r\n")
          const length = Number(/content-length: (\d+)/i.exec(pending.toString("latin1"))?.[1] ?? 0)
          if (end === -1 || pending.length < end + 4 + length) return
          const request = {
            connection,
            head: pending.toString("latin1", 0, end),
            body: pending.subarray(end + 4, end + 4 + length)
          }
          pending = pending.subarray(end + 4 + length)
          requests.push(request)
          answer(request, socket)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        resume(Effect.succeed({ port, requests, close }))
      })
    }),
    (server) => Effect.sync(() => server.close())
  )

export const response = (status: number, body: string, headers: ReadonlyArray<string> = []) =>
  [`HTTP/1.1 ${status} X`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers, "", body].join("\r\n")
