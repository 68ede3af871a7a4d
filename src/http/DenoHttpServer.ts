/** HTTP on Deno's own server. The only file with an API of Deno's. */
import { Effect } from "effect"
import { type Listen, listenFailed, withClientAddress } from "./HttpServer.ts"
import { refuseAmbiguous } from "./refuseAmbiguous.ts"

/** The part of Deno's API used here; its types are not those the project is checked with. */
interface DenoNamespace {
  readonly serve: (
    options: { hostname: string; port: number; signal: AbortSignal; onListen: () => void; onError: () => Response },
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname?: string } }
    ) => Response | Promise<Response>
  ) => {
    readonly addr: { readonly port: number }
    readonly shutdown: () => Promise<void>
    readonly finished: Promise<void>
  }
}

export const listen: Listen = Effect.fnUntraced(function* (options) {
  const { Deno } = globalThis as unknown as { readonly Deno: DenoNamespace }
  const stop = new AbortController()
  // Aborting what is shutting down already is an error that nobody can catch. The process's end cuts it off as well.
  let draining = false
  const server = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        Deno.serve(
          {
            hostname: options.host,
            port: options.port,
            signal: stop.signal,
            onListen: () => {},
            onError: () => new Response(null, { status: 500 })
          },
          (request, info) =>
            refuseAmbiguous(request) ?? options.fetch(withClientAddress(request, () => info.remoteAddr.hostname))
        ),
      catch: (cause) => listenFailed(options, cause)
    }),
    () =>
      Effect.sync(() => {
        if (!draining) stop.abort()
      })
  )
  return {
    port: server.addr.port,
    drain: Effect.promise(() => {
      draining = true
      return server.shutdown()
    })
  }
})
