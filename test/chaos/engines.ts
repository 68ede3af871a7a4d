/** Docker engines as the chaos runs use them: the machine's, which is only asked, and one of their own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { dockerSocket, engine as machineEngine } from "../support/docker.ts"

export interface Engine {
  /** As `DOCKER_HOST` says it. */
  readonly host: string
  readonly ask: (method: string, path: string, body?: Uint8Array<ArrayBuffer>) => Promise<Response>
}

export const machine: Engine = {
  host: `unix://${dockerSocket}`,
  ask: (method, path, body) => machineEngine(method, path, body, "application/x-tar")
}

export interface Summary {
  readonly name: string
  readonly state: string
}

/** Every container of an installation. */
export const containersOf = async (engine: Engine, instance: string): Promise<ReadonlyArray<Summary>> => {
  const filters = encodeURIComponent(JSON.stringify({ label: [`irori.instance=${instance}`] }))
  const answer = await engine.ask("GET", `/containers/json?all=1&filters=${filters}`)
  const found = (await answer.json()) as ReadonlyArray<{ Names: ReadonlyArray<string>; State: string }>
  return found.map(({ Names, State }) => ({ name: Names[0]!.slice(1), state: State }))
}

const run = (program: string, ...args: ReadonlyArray<string>): void => {
  const { status, stderr } = spawnSync(program, args)
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`)
}

/** Empty for one that has ended. */
const commandOf = (pid: number): ReadonlyArray<string> => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
  } catch {
    return []
  }
}

/**
 * A `dockerd` in a folder and on a bridge of its own. It can be stopped and started, which the machine's must not be.
 *
 * Never without a bridge: a `dockerd` that starts with `--bridge=none` deletes `docker0`, which is the machine's.
 */
export class OwnEngine implements Engine {
  readonly host: string
  readonly #folder: string
  readonly #dataRoot: string
  readonly #bridge = `irori${process.pid % 1_000_000}`
  #daemon: ChildProcess | undefined

  /** `dataRoot` may be a file system that is about to be full. */
  constructor(folder: string, dataRoot = join(folder, "data")) {
    this.#folder = folder
    this.#dataRoot = dataRoot
    this.host = `unix://${folder}/docker.sock`
  }

  ask(method: string, path: string, body?: Uint8Array<ArrayBuffer>): Promise<Response> {
    return fetch(`http://localhost${path}`, {
      method,
      unix: `${this.#folder}/docker.sock`,
      ...(body === undefined ? {} : { body, headers: { "content-type": "application/x-tar" } })
    })
  }

  /** Waits until it answers. */
  async start(): Promise<void> {
    mkdirSync(this.#dataRoot, { recursive: true })
    this.#makeBridge()
    rmSync(join(this.#folder, "docker.pid"), { force: true })
    const log = openSync(join(this.#folder, "dockerd.log"), "a")
    this.#daemon = spawn(
      "dockerd",
      [
        ["--data-root", this.#dataRoot],
        ["--exec-root", join(this.#folder, "exec")],
        ["--pidfile", join(this.#folder, "docker.pid")],
        ["--host", this.host],
        [`--bridge=${this.#bridge}`, "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"],
        ["--shutdown-timeout=1"]
      ].flat(),
      { stdio: ["ignore", log, log] }
    )
    for (const until = Date.now() + 30_000; ; await Bun.sleep(50)) {
      const answers = await this.ask("GET", "/_ping").then(
        ({ ok }) => ok,
        () => false
      )
      if (answers) return
      if (this.#daemon.exitCode !== null || Date.now() > until) throw new Error(`dockerd: ${this.#folder}/dockerd.log`)
    }
  }

  #makeBridge(): void {
    if (existsSync(`/sys/class/net/${this.#bridge}`)) return
    run("ip", "link", "add", "name", this.#bridge, "type", "bridge")
    run("ip", "addr", "add", `10.213.${process.pid % 256}.1/24`, "dev", this.#bridge)
    run("ip", "link", "set", this.#bridge, "up")
  }

  /** Its containers end with it; after a SIGKILL, when it starts again. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const daemon = this.#daemon
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    const gone = new Promise((resolve) => daemon.once("exit", resolve))
    daemon.kill(signal)
    await gone
    if (signal === "SIGKILL") await this.#endContainerd()
  }

  /** It may outlive a `dockerd` that was killed, and then takes no connections; a service manager kills both. */
  async #endContainerd(): Promise<void> {
    const file = join(this.#folder, "exec/containerd/containerd.pid")
    const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0
    const isIt = () => pid > 0 && commandOf(pid).some((word) => word.startsWith(this.#folder))
    if (isIt()) process.kill(pid, "SIGKILL")
    while (isIt()) await Bun.sleep(10)
    rmSync(file, { force: true })
  }

  /** Stops it and removes its folder and its bridge, with the mounts that it leaves behind. */
  async dispose(): Promise<void> {
    await this.stop()
    this.#endShims()
    spawnSync("ip", ["link", "del", this.#bridge])
    const mounts = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .filter((path) => path.startsWith(`${this.#folder}/`))
    for (const path of mounts.toReversed()) spawnSync("umount", [path])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** One whose engine was killed while its container ended stays. */
  #endShims(): void {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const [program = "", ...args] = commandOf(Number(pid))
      const isOurs = args.includes(`${this.#folder}/exec/containerd/containerd.sock`)
      if (isOurs && program.includes("containerd-shim")) spawnSync("kill", ["-9", pid])
    }
  }

  /** Takes over an image of the machine's engine. */
  async load(image: string): Promise<void> {
    const archive = await (await machine.ask("GET", `/images/${image}/get`)).arrayBuffer()
    const answer = await this.ask("POST", "/images/load?quiet=1", new Uint8Array(archive))
    if (!answer.ok) throw new Error(await answer.text())
    await answer.text()
  }
}
