/** Docker provisioners for tests, and the functions they are given. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Layer, Logger } from "effect"
import { CodeFolder, CodeImage, FunctionConfig } from "../../src/domain/FunctionConfig.ts"
import { FunctionName } from "../../src/domain/FunctionName.ts"
import { DockerAdaptor, type DockerOptions } from "../../src/provision/DockerAdaptor.ts"
import * as DockerProvisioner from "../../src/provision/DockerProvisioner.ts"
import { RuntimeApi } from "../../src/runtime-api/RuntimeApi.ts"
import { functionConfig } from "./functions.ts"

/** An instance id that nothing else has, and the label that its containers carry. */
export const newInstance = (): string => `test-${process.pid}-${Math.random().toString(36).slice(2, 10)}`
export const labelOf = (instance: string): string => `irori.instance=${instance}`

export const dockerLayer = (
  instance: string,
  options: Partial<DockerProvisioner.DockerProvisionerOptions> = {},
  docker: DockerOptions = {},
  // What functions print is for the tests that look at it.
  logger: Layer.Layer<never> = Logger.layer([])
) =>
  DockerProvisioner.layer({
    instance,
    boot: "boot-1",
    owner: { region: "us-east-1", accountId: "123456789012" },
    pull: "never",
    ...options
  }).pipe(
    Layer.provideMerge(RuntimeApi.layer),
    Layer.provideMerge(DockerAdaptor.layer(docker)),
    Layer.provideMerge(logger)
  )

/** A folder with the files given, readable by everybody, since workers run as nobody in particular. */
export const codeFolder = (
  files: Readonly<Record<string, string>>
): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), "irori-code-"))
  chmodSync(path, 0o755)
  mkdirSync(path, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text, { mode: 0o644 })
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

type Settings = Parameters<typeof functionConfig>[0]

export const nodeFunction = (path: string, handler: string, settings: Settings = {}): FunctionConfig =>
  functionConfig({
    name: FunctionName.make(`docker-${handler.split(".")[0]}`),
    code: new CodeFolder({ path }),
    handler,
    timeout: Duration.seconds(1),
    ...settings
  })

/** The function of `images/worker.c`; without runtime and handler, as images are. */
export const imageFunction = (uri: string, behaviour = "", settings: Settings = {}): FunctionConfig => {
  const {
    handler: _,
    runtime: __,
    ...config
  } = functionConfig({
    name: FunctionName.make("docker-image"),
    code: new CodeImage({ uri }),
    environment: behaviour === "" ? {} : { BEHAVIOUR: behaviour },
    ...settings
  })
  return new FunctionConfig(config)
}
