/** What the engine says of images and networks, as far as workers are made by it. */
import { Option, Schema } from "effect"

/** What an image says about how it is run. */
export interface ImageSettings {
  /** Of its contents. */
  readonly id: string
  readonly entryPoint: ReadonlyArray<string>
  readonly command: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly workingDir: string
}

const Image = Schema.Struct({
  Id: Schema.String,
  Config: Schema.Struct({
    Entrypoint: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
    Cmd: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
    Env: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
    WorkingDir: Schema.optionalKey(Schema.String)
  })
})

export const settingsOf = (found: unknown): ImageSettings => {
  const image = Schema.decodeUnknownOption(Image)(found)
  const { Cmd = null, Entrypoint = null, Env = null, WorkingDir = "" } = image._tag === "Some" ? image.value.Config : {}
  const environment = (Env ?? []).map((text): [string, string] => {
    const [name = "", ...value] = text.split("=")
    return [name, value.join("=")]
  })
  return {
    id: image._tag === "Some" ? image.value.Id : "",
    entryPoint: Entrypoint ?? [],
    command: Cmd ?? [],
    environment: Object.fromEntries(environment),
    workingDir: WorkingDir
  }
}

const Network = Schema.Struct({
  IPAM: Schema.Struct({
    Config: Schema.NullOr(
      Schema.Array(
        Schema.Struct({ Gateway: Schema.optionalKey(Schema.String), Subnet: Schema.optionalKey(Schema.String) })
      )
    )
  })
})

/** The first IPv4 one: Lambda's runtime clients take no IPv6 literal. */
export const gatewayOf = (found: unknown): string | undefined => {
  const network = Schema.decodeUnknownOption(Network)(found)
  return Option.isNone(network) ? undefined : gatewayAddress(network.value)
}

const gatewayAddress = (network: typeof Network.Type): string | undefined => {
  const ipv4 = network.IPAM.Config?.find(({ Gateway, Subnet }) => (Gateway ?? Subnet)?.includes(".") === true)
  // An engine that has not yet run a container does not name it: then it is the subnet's first address.
  return (ipv4?.Gateway ?? firstAddress(ipv4?.Subnet))?.replace(/\/\d+$/, "")
}

const firstAddress = (subnet: string | undefined): string | undefined => {
  const [, upper, last] = /^(\d+\.\d+\.\d+\.)(\d+)\/\d+$/.exec(subnet ?? "") ?? []
  return last === undefined ? undefined : `${upper}${Number(last) + 1}`
}
