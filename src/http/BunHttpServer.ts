/** HTTP on Bun's own server. The only file with an API of Bun's. */
import { Effect } from "effect"
import { type Listen, listenFailed, withClientAddress } from "./HttpServer.ts"
import { refuseAmbiguous } from "./refuseAmbiguous.ts"

export const listen: Listen = Effect.fnUntraced(function* (options) {
  const server = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        Bun.serve({
          hostname: options.host,
          port: options.port,
          // Two servers on one port would share its requests by chance, silently.
          reusePort: false,
          // An invocation may be silent for as long as its function may run.
          idleTimeout: 0,
          maxRequestBodySize: options.maxBodyBytes,
          development: false,
          fetch: (request, bun) =>
            refuseAmbiguous(request) ?? options.fetch(withClientAddress(request, () => bun.requestIP(request)?.address))
        }),
      catch: (cause) => listenFailed(options, cause)
    }),
    (open) => Effect.promise(() => open.stop(true))
  )
  // An upload that was refused and never ended has its answer, but Bun waits for the rest of it.
  const allAnswered = Effect.sync(() => server.pendingRequests === 0).pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: (answered) => answered })
  )
  return {
    port: server.port ?? options.port,
    drain: Effect.asVoid(
      Effect.raceFirst(
        Effect.promise(() => server.stop(false)),
        allAnswered
      )
    )
  }
})
