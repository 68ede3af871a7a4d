/** Calls of a running Irori: the one that the settings are those of, or the one at `--url`. */
import { readFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import { resolve } from "node:path"
import { rootCertificates } from "node:tls"
import { Effect, Option } from "effect"
import type { Settings } from "../Config.ts"
import { developmentCertificatePath } from "../http/ServerCertificate.ts"
import { CommandFailed } from "./Command.ts"

export interface Called {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export interface Call {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/** Where it listens, as seen from this machine. */
export const urlOf = ({ host, port, rootPath, tls, tlsCert }: Settings): string => {
  const scheme = tls === "off" && Option.isNone(tlsCert) ? "http" : "https"
  const near = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host
  return `${scheme}://${near.includes(":") ? `[${near}]` : near}:${port}${rootPath}`
}

/** Any answer is one; that there is none says why. */
export const callIrori = (settings: Settings, url: string | undefined, call: Call) =>
  Effect.callback<Called, CommandFailed>((resume) => {
    const base = (url ?? urlOf(settings)).replace(/\/$/, "")
    const fail = (why: string) =>
      resume(Effect.fail(new CommandFailed({ detail: `No Irori answers at ${base}: ${why}` })))
    if (!URL.canParse(base)) return fail("this is no URL")
    const target = new URL(base + call.path)
    const options: https.RequestOptions = {
      method: call.method,
      headers: { ...keyOf(settings), ...call.headers, "content-length": call.body?.length ?? 0 },
      ...(target.protocol === "https:" ? { ca: [...rootCertificates, ...ownCertificates(settings)] } : {})
    }
    const request = (target.protocol === "https:" ? https : http).request(target, options, (response) => {
      const pieces: Array<Buffer> = []
      response.on("data", (piece: Buffer) => pieces.push(piece))
      response.on("end", () => {
        resume(
          Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces) })
        )
      })
      response.on("error", (error) => fail(error.message))
    })
    request.on("error", (error) => fail(error.message))
    request.end(call.body)
    return Effect.sync(() => request.destroy())
  })

/** The same, where only 200 will do: its JSON. */
export const askIrori = (
  settings: Settings,
  url: string | undefined,
  call: Call
): Effect.Effect<unknown, CommandFailed> =>
  Effect.flatMap(callIrori(settings, url, call), (called) =>
    called.status === 200
      ? Effect.try({
          try: (): unknown => JSON.parse(called.body.toString()),
          catch: () => new CommandFailed({ detail: `${call.path} was answered with what is no JSON` })
        })
      : refusedBy(called)
  )

export const refusedBy = ({ body, status }: Called): Effect.Effect<never, CommandFailed> =>
  Effect.fail(new CommandFailed({ detail: `${status}: ${messageIn(body.toString())}` }))

const messageIn = (text: string): string => /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/i.exec(text)?.[1] ?? text.slice(0, 200)

const keyOf = ({ apiKey }: Settings): Record<string, string> =>
  Option.isSome(apiKey) ? { "x-api-key": apiKey.value } : {}

/** Those that this Irori serves, which nobody else need have signed. */
const ownCertificates = ({ stateDir, tlsCert }: Settings): ReadonlyArray<string> => {
  try {
    return [
      readFileSync(
        Option.getOrElse(tlsCert, () => developmentCertificatePath(resolve(stateDir))),
        "utf8"
      )
    ]
  } catch {
    return []
  }
}
