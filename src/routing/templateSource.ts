/** The APIs of a template. What is wrong with it, whoever has its functions says. */
import { Effect } from "effect"
import { TemplateFile } from "../template/TemplateFile.ts"
import type { RouteSource } from "./RouteTable.ts"

export const templateSource: Effect.Effect<RouteSource, never, TemplateFile> = Effect.map(TemplateFile, (file) => ({
  apis: () => file.current().apis,
  problems: () => []
}))
