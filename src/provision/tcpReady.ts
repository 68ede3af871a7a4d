/** Waits until something listens on a TCP port, without saying anything to it. */
import { connect } from "node:net"
import { Effect } from "effect"

/** Between two tries. A refused connection costs next to nothing. */
const pollInterval = "20 millis"
/** An address nobody answers at: the next try may find the way. */
const connectTimeout = "1 second"

const listens = (host: string, port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port })
    const settle = (yes: boolean) => {
      socket.destroy()
      resume(Effect.succeed(yes))
    }
    socket.once("connect", () => settle(true))
    socket.on("error", () => settle(false))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: connectTimeout, orElse: () => Effect.succeed(false) }))

/** Without limit: how long to wait is the caller's to say. */
export const tcpReady = (host: string, port: number): Effect.Effect<void> =>
  Effect.suspend(() => listens(host, port)).pipe(
    Effect.flatMap((yes) => (yes ? Effect.succeed(true) : Effect.delay(Effect.succeed(false), pollInterval))),
    Effect.repeat({ until: (ready) => ready }),
    Effect.asVoid
  )
