/** Where the Docker engine listens, read from what `DOCKER_HOST` may say. */

export type DockerEndpoint =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number }
  /** Not an address that can be used; `problem` says why, in one line. */
  | { readonly problem: string }

export const defaultDockerHost = "unix:///var/run/docker.sock"

export const dockerEndpoint = (dockerHost: string): DockerEndpoint => {
  if (dockerHost.startsWith("unix://")) {
    const socketPath = dockerHost.slice("unix://".length)
    return socketPath.startsWith("/") ? { socketPath } : unusable(dockerHost)
  }
  const url = dockerHost.replace(/^tcp:/, "http:")
  if (!url.startsWith("http://") || !URL.canParse(url)) return unusable(dockerHost)
  const { hostname, port } = new URL(url)
  return { host: hostname, port: port === "" ? 2375 : Number(port) }
}

const unusable = (dockerHost: string): DockerEndpoint => ({
  problem: `DOCKER_HOST is '${dockerHost}'; it may be unix:///path/of/the/socket or tcp://host:port`
})
