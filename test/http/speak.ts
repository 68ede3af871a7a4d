/** Raw bytes to a server and back: what no client library would send. */
import { connect, type Socket } from "node:net"

/** One byte a character. */
const bytes = (text: string) => Buffer.from(text, "latin1")

/** Sends `text` and answers with all that comes until the server closes, or until `enough` of it is there. */
export const speak = (port: number, text: string, enough?: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes(text)))
    let received = ""
    const done = () => {
      socket.destroy()
      resolve(received)
    }
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      if (enough?.test(received) === true) done()
    })
    socket.on("error", reject)
    socket.on("close", done)
  })

export const open = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket))
    socket.on("error", reject)
  })
