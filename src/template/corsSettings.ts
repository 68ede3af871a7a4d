/** What a template says of browsers of other origins, as function URLs, HTTP APIs and REST APIs have it. */
import type { DeclaredUrl } from "../domain/FunctionConfig.ts"
import { isRecord } from "../domain/json.ts"
import type { ApiCors } from "../domain/Route.ts"
import { Fields } from "./Fields.ts"

/** Of a function URL. */
export const corsPolicyOf = (cors: Fields): NonNullable<DeclaredUrl["cors"]> => {
  const allowCredentials = cors.flag("AllowCredentials")
  const maxAge = cors.whole("MaxAge", 0, 86_400)
  const lists = ["AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders"].flatMap((key) => {
    const texts = cors.texts(key)
    return texts === undefined ? [] : [[key, texts] as const]
  })
  return {
    ...Object.fromEntries(lists),
    ...(allowCredentials === undefined ? {} : { AllowCredentials: allowCredentials }),
    ...(maxAge === undefined ? {} : { MaxAge: maxAge })
  }
}

/** `CorsConfiguration` of an HTTP API; `true` lets every origin in. */
export const httpApiCors = (api: Fields): ApiCors | undefined => {
  const given = api.values.CorsConfiguration
  if (given === true || given === "true") return { allowOrigins: ["*"] }
  if (given === false || given === "false" || !isRecord(given)) return undefined
  const cors = new Fields(given, api.at("CorsConfiguration"), api.remarks)
  return readCors(cors, (name) => name.charAt(0).toUpperCase() + name.slice(1))
}

/** `key` is how a setting is called here: a template has it in upper, a definition of an API in lower camel case. */
export const readCors = (cors: Fields, key: (name: string) => string): ApiCors => {
  const [allowOrigins, allowMethods] = [cors.texts(key("allowOrigins")), cors.texts(key("allowMethods"))]
  const [allowHeaders, exposeHeaders] = [cors.texts(key("allowHeaders")), cors.texts(key("exposeHeaders"))]
  const [allowCredentials, maxAgeSeconds] = [cors.flag(key("allowCredentials")), cors.whole(key("maxAge"), -1, 86_400)]
  return {
    ...(allowOrigins === undefined ? {} : { allowOrigins }),
    ...(allowMethods === undefined ? {} : { allowMethods }),
    ...(allowHeaders === undefined ? {} : { allowHeaders }),
    ...(exposeHeaders === undefined ? {} : { exposeHeaders }),
    ...(allowCredentials === undefined ? {} : { allowCredentials }),
    ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds })
  }
}

/**
 * `Cors` of a REST API: the headers of the answer that SAM puts behind `OPTIONS`. In a template their values are in
 * quotes of their own, as API Gateway's mappings want them.
 */
export const restPreflight = (api: Fields): Readonly<Record<string, string>> | undefined => {
  const given = api.values.Cors
  if (given === undefined || given === null) return undefined
  const values = isRecord(given) ? given : { AllowOrigin: given }
  const cors = new Fields(values, api.at("Cors"), api.remarks)
  const headers = {
    "access-control-allow-origin": cors.text("AllowOrigin") ?? "'*'",
    "access-control-allow-methods": cors.text("AllowMethods") ?? "'OPTIONS,HEAD,GET,PUT,PATCH,POST,DELETE'",
    "access-control-allow-headers": cors.text("AllowHeaders"),
    "access-control-max-age": cors.text("MaxAge"),
    "access-control-allow-credentials": cors.flag("AllowCredentials") === true ? "true" : undefined
  }
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, text]) =>
      text === undefined ? [] : [[name, text.replace(/^'(.*)'$/s, "$1")]]
    )
  )
}
