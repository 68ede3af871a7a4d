/**
 * dockerode without what it comes with and Irori never asks of it: builds, their sessions, SSH. These bring gRPC,
 * protobuf and an SSH client, which were a seventh of Irori's memory. Such a part is loaded when it is first used.
 */
import { createRequire } from "node:module"
import type Docker from "dockerode"

export const loadDockerode = async (): Promise<typeof Docker> => {
  const dockerode = requireOf(createRequire(import.meta.url), "dockerode")
  for (const part of ["./session", "tar-fs", "@balena/dockerignore"]) loadWhenUsed(dockerode, part)
  const modem = requireOf(dockerode, "docker-modem")
  for (const part of ["./ssh", "./http_duplex"]) loadWhenUsed(modem, part)
  return (await import("dockerode")).default
}

/** The `require` that the modules of a package have. */
const requireOf = (require: NodeJS.Require, name: string): NodeJS.Require => createRequire(require.resolve(name))

/**
 * Has `require` take `part` for loaded, which it is when it is first called, constructed or read. In a version of the
 * package that has no such part, nothing is to be put off.
 */
const loadWhenUsed = (require: NodeJS.Require, part: string): void => {
  const file = resolved(require, part)
  if (file === undefined || file in require.cache) return
  let loaded: object | undefined
  const load = <A extends object>(): A => {
    if (loaded === undefined) {
      delete require.cache[file]
      loaded = require(file) as A
    }
    return loaded as A
  }
  const exports = new Proxy(function () {}, {
    apply: (_, self, args) => Reflect.apply(load<() => unknown>(), self, args),
    construct: (_, args) => Reflect.construct(load<new () => object>(), args),
    get: (_, name) => Reflect.get(load(), name)
  })
  // What `require` looks at of a module that it has.
  require.cache[file] = { id: file, filename: file, exports, loaded: true, children: [] } as unknown as NodeJS.Module
}

const resolved = (require: NodeJS.Require, part: string): string | undefined => {
  try {
    return require.resolve(part)
  } catch {
    return undefined
  }
}
