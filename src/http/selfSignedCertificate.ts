/**
 * A certificate that signs itself, for a server of a developer's own machine (RFC 5280): an elliptic key, the names and
 * addresses it is for, and the time it is good for. It is no authority: whoever trusts it trusts this server alone.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto"
import { isIP } from "node:net"

export interface SelfSigned {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

export interface CertificateSubject {
  readonly name: string
  /** Host names, which may begin with `*.`, and IP addresses. */
  readonly hosts: ReadonlyArray<string>
  readonly fromMillis: number
  readonly untilMillis: number
}

export const selfSignedCertificate = ({ fromMillis, hosts, name, untilMillis }: CertificateSubject): SelfSigned => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const publicInfo = publicKey.export({ type: "spki", format: "der" })
  const algorithm = sequence(objectId("2a8648ce3d040302"))
  const subject = sequence(tagged(0x31, sequence(objectId("550403"), tagged(0x0c, Buffer.from(name)))))
  const keyId = createHash("sha1").update(publicInfo).digest()
  const extensions = sequence(
    // Basic constraints: no authority.
    extension("551d13", true, sequence()),
    // Key usage: digital signatures.
    extension("551d0f", true, tagged(0x03, Buffer.from([7, 0x80]))),
    // Extended key usage: servers.
    extension("551d25", false, sequence(objectId("2b06010505070301"))),
    extension("551d0e", false, tagged(0x04, keyId)),
    extension("551d23", false, sequence(tagged(0x80, keyId))),
    extension("551d11", false, sequence(...hosts.map(alternativeName)))
  )
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    // Positive, and not of fewer bytes than it has.
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    algorithm,
    subject,
    sequence(time(fromMillis), time(untilMillis)),
    subject,
    publicInfo,
    tagged(0xa3, extensions)
  )
  const signature = tagged(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)]))
  return {
    cert: pem("CERTIFICATE", sequence(body, algorithm, signature)),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  }
}

/** DER: a tag, the length, the content. */
const tagged = (tag: number, content: Buffer): Buffer => {
  const { length } = content
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content])
}

const sequence = (...items: ReadonlyArray<Buffer>): Buffer => tagged(0x30, Buffer.concat(items))
const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes)
const objectId = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, "hex"))

const extension = (id: string, isCritical: boolean, value: Buffer): Buffer =>
  sequence(objectId(id), ...(isCritical ? [tagged(0x01, Buffer.from([0xff]))] : []), tagged(0x04, value))

const alternativeName = (host: string): Buffer =>
  isIP(host) === 0 ? tagged(0x82, Buffer.from(host)) : tagged(0x87, addressBytes(host))

const addressBytes = (address: string): Buffer => {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number))
  // The parser of URLs writes an address in one way, with at most one gap.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [before = "", after] = plain.split("::")
  const groups = (text: string) => text.split(":").filter((group) => group !== "")
  const [head, tail] = [groups(before), groups(after ?? "")]
  const whole = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail]
  return Buffer.from(whole.map((group) => group.padStart(4, "0")).join(""), "hex")
}

/** Two digits of the year up to 2049, four after it. */
const time = (millis: number): Buffer => {
  const text = new Date(millis).toISOString().replace(/[-:T]|\.\d+/g, "")
  return new Date(millis).getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(text.slice(2)))
    : tagged(0x18, Buffer.from(text))
}

const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString("base64").replace(/.{64}(?=.)/g, "$&\n")}\n-----END ${label}-----\n`
