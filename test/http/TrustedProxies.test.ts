import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { trustedProxies } from "../../src/http/TrustedProxies.ts"

const from = (trusted: string, peer: string, headers: Record<string, string> = {}) =>
  Result.getOrThrow(trustedProxies(trusted))(new Headers(headers), peer)

const proxied = (chain: string) => ({
  "x-forwarded-for": chain,
  "x-forwarded-proto": "https",
  "x-forwarded-port": "443"
})

describe("trusted proxies", () => {
  it("are none by default: what a client says of itself does not count", () => {
    expect(from("", "192.0.2.1", proxied("198.51.100.7"))).toEqual({
      sourceIp: "192.0.2.1",
      chain: "192.0.2.1",
      scheme: "http"
    })
  })

  it("tell of the client, its scheme and its port", () => {
    expect(from("10.0.0.0/8", "10.1.2.3", proxied("198.51.100.7"))).toEqual({
      sourceIp: "198.51.100.7",
      chain: "198.51.100.7, 10.1.2.3",
      scheme: "https",
      port: "443"
    })
  })

  it.each([
    ["10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"],
    ["10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"],
    ["10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["10.0.0.1", "unknown", "10.0.0.1"],
    ["::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"],
    ["fd00::5", "198.51.100.7", "198.51.100.7"],
    ["192.0.2.9", "198.51.100.7", "198.51.100.7"],
    ["192.0.2.8", "198.51.100.7", "192.0.2.8"],
    ["", "198.51.100.7", ""]
  ])("at %j that pass on %j: the client is %j", (peer, chain, client) => {
    expect(from("10.0.0.0/8, fd00::/8, 192.0.2.9", peer, proxied(chain)).sourceIp).toBe(client)
  })

  it.each(["localhost", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/8/8", "::/129"])("cannot be %s", (entry) => {
    expect(Result.isFailure(trustedProxies(entry))).toBe(true)
  })
})
