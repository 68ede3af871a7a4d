/** HTTP on Bun's own server. The only file with an API of Bun's. */
import { Effect } from "effect"
import { type Listen, listenFailed, withClientAddress } from "./HttpServer.ts"

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
          fetch: (request, bun) => options.fetch(withClientAddress(request, () => bun.requestIP(request)?.address))
        }),
      catch: (cause) => listenFailed(options, cause)
    }),
    (open) => Effect.promise(() => open.stop(true))
  )
  return {
    port: server.port ?? options.port,
    drain: Effect.promise(() => server.stop(false))
  }
})
