/** Requests that nobody would send by mistake: well-formed ones with odd contents, and ones that are broken on purpose. */
import { between, oneOf, type Random } from "../chaos/random.ts"

export interface Message {
  /** One byte a character. */
  readonly bytes: string
  /** A server has to answer it; of any other it may think what it likes. */
  readonly isWellFormed: boolean
}

const whole = (random: Random, most: number) => Math.floor(between(random, 0, most))

const any = <A>(random: Random, items: ReadonlyArray<A>): A => oneOf(random, items)!

const text = (random: Random, alphabet: string, most: number) =>
  Array.from({ length: whole(random, most) }, () => alphabet[whole(random, alphabet.length)]).join("")

const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("")
const printable = everyByte.slice(33, 127)
const inPaths = printable.replace("#", "").replace("?", "")
const readable = inPaths.replace("%", "")

const roots = [
  "/files/",
  "/files",
  "/users/",
  "/",
  "//",
  "/2015-03-31/functions/",
  "/2015-03-31/functions/main/invocations",
  "/2021-11-15/functions/main/response-streaming-invocations",
  "/2014-11-13/functions/main/invoke-async",
  "/health",
  "/health/ready",
  "/metrics",
  "/docs/",
  "/containers",
  "/lambda-url/x/",
  "/irori/",
  "/prod/files"
]

const segments = ["..", ".", "%2e%2e", "%2F", "%00", "%C3%A4", "{proxy+}", "a".repeat(3000), "__proto__", "a", "b", "7"]
const unreadable = ["%", "%zz", "%F", "%FF"]

const path = (random: Random): string => {
  const parts = Array.from({ length: whole(random, 5) }, () =>
    random() < 0.7 ? any(random, segments) : random() < 0.2 ? any(random, unreadable) : text(random, readable, 20)
  )
  const query = random() < 0.5 ? `?${text(random, inPaths, 60)}${random() < 0.2 ? "&__proto__=x&a=%zz&a=%C3" : ""}` : ""
  return `${any(random, roots)}${parts.join("/")}${query}`
}

const names = [
  "Accept",
  "Authorization",
  "Content-Type",
  "Content-Encoding",
  "Cookie",
  "Expect",
  "Origin",
  "Access-Control-Request-Method",
  "Upgrade",
  "X-Amz-Client-Context",
  "X-Amz-Invocation-Type",
  "X-Amz-Log-Type",
  "X-Amzn-Trace-Id",
  "X-Forwarded-For",
  "X-Forwarded-Port",
  "X-api-KEY",
  "__proto__",
  "constructor"
]
const values = [
  "",
  "gzip",
  "*/*",
  "a, b",
  "100-continue",
  "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
  "Event",
  "Tail",
  "{}"
]

const headers = (random: Random): string =>
  Array.from({ length: whole(random, 12) }, () => {
    const name = random() < 0.7 ? any(random, names) : text(random, "abcXYZ-_.!~'*", 12) || "x"
    const value =
      random() < 0.5 ? any(random, values) : text(random, `${printable} \t\xe4\xff`, random() < 0.05 ? 12_000 : 60)
    return `${name}: ${value}\r\n`
  })
    .filter((line) => !/^expect:/i.test(line) || line === "Expect: 100-continue\r\n")
    .filter(
      (line, index, all) => !/^expect:/i.test(line) || all.findIndex((other) => /^expect:/i.test(other)) === index
    )
    .join("")

const body = (random: Random): string =>
  random() < 0.3
    ? any(random, ["{}", "null", '"', '{"a":', "\xff\xfe", "[1,2"])
    : text(random, everyByte, random() < 0.05 ? 70_000 : 300)

const chunked = (random: Random, content: string): string => {
  let left = content
  let sent = ""
  while (left !== "") {
    const piece = left.slice(0, 1 + whole(random, left.length))
    left = left.slice(piece.length)
    sent += `${piece.length.toString(16)}${random() < 0.2 ? ";a=b" : ""}\r\n${piece}\r\n`
  }
  return `${sent}0\r\n${random() < 0.1 ? "X-Trailer: a\r\n" : ""}\r\n`
}

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
const hosts = ["localhost", "x", "127.0.0.1:80", "abc.execute-api.local", "x.lambda-url.local", "[::1]:3000"]

const wellFormed = (random: Random): string => {
  const content = random() < 0.4 ? "" : body(random)
  const isChunked = content !== "" && random() < 0.3
  const framing = isChunked
    ? "Transfer-Encoding: chunked\r\n"
    : content === "" && random() < 0.5
      ? ""
      : `Content-Length: ${content.length}\r\n`
  const head = `${any(random, methods)} ${path(random)} HTTP/1.1\r\nHost: ${any(random, hosts)}\r\n${headers(random)}`
  return `${head}${framing}Connection: close\r\n\r\n${isChunked ? chunked(random, content) : content}`
}

/** What requests are smuggled with, and other harm. */
const harms: ReadonlyArray<(random: Random, message: string) => string> = [
  (random, message) => {
    const at = whole(random, message.length)
    return message.slice(0, at) + any(random, [...everyByte]) + message.slice(at + 1)
  },
  (random, message) => message.slice(0, whole(random, message.length)),
  (random, message) => {
    const at = whole(random, message.length)
    return message.slice(0, at) + text(random, everyByte, 20) + message.slice(at)
  },
  (_, message) => message.replaceAll("\r\n", "\n"),
  (_, message) => message.replace("\r\n", "\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
  (_, message) => message.replace("\r\n", "\r\nContent-Length: 1\r\nContent-Length: 3\r\n"),
  (_, message) => message.replace("\r\n", "\r\n folded: yes\r\n"),
  (_, message) => message.replace("\r\n", "\r\nTransfer-Encoding: \x0bchunked\r\n"),
  (_, message) => message.replace("HTTP/1.1", "HTTP/1.0"),
  (_, message) => message.replace("HTTP/1.1", "HTTP/9.9"),
  (_, message) => message.replace(/^\S+/, "BREW"),
  (_, message) => message.replace("Host: ", "Host: a/b?c#d@e\r\nHost: "),
  (_, message) => message.replace("Connection: close", `X-Long: ${"y".repeat(80_000)}`),
  (_, message) => message + message,
  () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
]

export const messageOf = (random: Random): Message => {
  const bytes = wellFormed(random)
  if (random() < 0.5) return { bytes, isWellFormed: true }
  let broken = bytes
  for (let times = 1 + whole(random, 3); times > 0; times--) broken = any(random, harms)(random, broken)
  return { bytes: broken, isWellFormed: false }
}
