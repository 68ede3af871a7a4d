/**
 * Who a request comes from, where proxies stand in between: what a proxy says of the client counts only if the proxy is
 * trusted, and what it passes on of another's words only if that one is too.
 */
import { BlockList, isIP } from "node:net"
import { Result } from "effect"
import type { HeaderValues } from "./requestHead.ts"

export interface ForwardedFrom {
  /** The client, as far as those who are trusted know; empty where nobody knows. */
  readonly sourceIp: string
  /** `X-Forwarded-For`: the client, and the proxies it came through. */
  readonly chain: string
  /** As the client sees it. */
  readonly scheme: "http" | "https"
  /** The port that the client called, where a proxy has told it. */
  readonly port?: string
}

/** `peer` is the address at the other end of the connection, whose scheme is `scheme`, by default `http`. */
export type TrustedProxies = (headers: HeaderValues, peer: string, scheme?: "http" | "https") => ForwardedFrom

/** Reads addresses and networks (`10.0.0.0/8,::1`). Fails with one line for a person. */
export const trustedProxies = (text: string): Result.Result<TrustedProxies, string> => {
  const trusted = new BlockList()
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue
    const [address = "", prefix, ...rest] = entry.split("/")
    const version = isIP(address)
    const bits = prefix === undefined ? (version === 6 ? 128 : 32) : /^\d+$/.test(prefix) ? Number(prefix) : Number.NaN
    if (version === 0 || rest.length > 0 || !(bits <= (version === 6 ? 128 : 32))) {
      return Result.fail(`"${entry}" is no address and no network such as 10.0.0.0/8`)
    }
    trusted.addSubnet(address, bits, version === 6 ? "ipv6" : "ipv4")
  }
  const isTrusted = (address: string) => {
    const version = isIP(address)
    return version !== 0 && trusted.check(address, version === 6 ? "ipv6" : "ipv4")
  }
  return Result.succeed((headers, peer, scheme = "http") => forwardedFrom(headers, plain(peer), scheme, isTrusted))
}

/** An IPv4 address as such also where the connection is IPv6's. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "")

const forwardedFrom = (
  headers: HeaderValues,
  peer: string,
  scheme: "http" | "https",
  isTrusted: (address: string) => boolean
): ForwardedFrom => {
  if (!isTrusted(peer)) return { sourceIp: peer, chain: peer, scheme }
  const told = (headers.get("x-forwarded-for") ?? "").split(",").map((part) => plain(part.trim()))
  const chain = [...told.filter((address) => isIP(address) !== 0), peer]
  // From the near end: the first one that is not trusted is the client, whatever it says of others.
  let client = chain.length - 1
  while (client > 0 && isTrusted(chain[client]!)) client--
  const port = headers.get("x-forwarded-port")
  const toldScheme = headers.get("x-forwarded-proto")
  return {
    sourceIp: chain[client]!,
    chain: chain.slice(client).join(", "),
    scheme:
      toldScheme === null ? scheme : toldScheme.split(",", 1)[0]?.trim().toLowerCase() === "https" ? "https" : "http",
    ...(port !== null && /^\d{1,5}$/.test(port) ? { port } : {})
  }
}
