/**
 * Whether a container still serves a request whose caller is gone, told from its connections: the kernel's table of the
 * network that its first process is in (proc(5), `/proc/[pid]/net/tcp`).
 */
import { readFileSync } from "node:fs"

/** CLOSE_WAIT: the other side has closed, and this one has not yet, since it is not done. */
const closeWait = "08"

/**
 * True where a connection to `port`, in the network of process `pid`, was closed by its caller alone. False where none
 * is, or where that cannot be seen: on another machine, or without the right to look.
 */
export const hasAbandonedRequest = (pid: number, port: number): boolean =>
  ["tcp", "tcp6"].some((table) => {
    try {
      return readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n").slice(1).some(isAbandoned(port))
    } catch {
      return false
    }
  })

/** A row is `sl local:port remote:port state …`, in hexadecimal digits. */
const isAbandoned = (port: number) => {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  return (row: string): boolean => {
    const [, local = "", , state] = row.trim().split(/\s+/)
    return local.endsWith(suffix) && state === closeWait
  }
}
