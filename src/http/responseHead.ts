/** The head of a response as text, of one byte a character. */
import { STATUS_CODES } from "node:http"
import { flat } from "./flat.ts"

/** Of a response after which the connection ends. */
export const lastField = "connection: close\r\n"

export const statusLine = (status: number): string =>
  status === 200 ? "HTTP/1.1 200 OK\r\n" : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`

let dateSeconds = Number.NaN
let dateField = ""

/** The field of this second. */
export const date = (): string => {
  const seconds = Math.floor(Date.now() / 1000)
  if (seconds !== dateSeconds) dateField = flat(`date: ${new Date(seconds * 1000).toUTCString()}\r\n`)
  dateSeconds = seconds
  return dateField
}

/** Of the connection, which is the server's. */
const ofConnection = new Set(["connection", "content-length", "date", "keep-alive", "transfer-encoding"])

/** All but how the body is framed, and the end. */
export const startOf = ({ headers, status }: Response, isLast: boolean): string => {
  let text = statusLine(status)
  for (const [name, value] of headers) if (!ofConnection.has(name)) text += `${name}: ${value}\r\n`
  return `${text}${date()}${isLast ? lastField : ""}`
}
