/** What a template says, in Irori's words: functions, layers, HTTP APIs, schedules. Values; nothing of it is looked up on the disk. */
import type {
  ApplicationLogLevel,
  DeclaredUrl,
  EventInvokeDefaults,
  ImageConfig,
  LoggingFormat,
  SystemLogLevel
} from "../domain/FunctionConfig.ts"
import type { Qualifier } from "../domain/FunctionName.ts"
import type { Api } from "../domain/Route.ts"
import type { Schedule } from "../domain/Schedule.ts"
import type { RegistryProblem } from "../registry/FunctionRegistry.ts"

export type TemplateCode =
  /** Absolute: a folder, or a ZIP file. */
  | { readonly _tag: "Local"; readonly path: string }
  /** Of a file beside which there is nothing. */
  | { readonly _tag: "Inline"; readonly fileName: string; readonly text: string }
  | { readonly _tag: "Image"; readonly uri: string; readonly build?: ImageBuild }

/** What a template says of how an image is made; it is not made by whoever serves it. */
export interface ImageBuild {
  /** Absolute. */
  readonly context: string
  /** Absolute. */
  readonly dockerfile: string
  readonly buildArguments: Readonly<Record<string, string>>
  /** The stage to build; by default the last. */
  readonly target?: string
}

export interface TemplateFunction {
  readonly logicalId: string
  /** `FunctionName`, or else the logical id. */
  readonly name: string
  /** `template.yaml:12` */
  readonly place: string
  readonly code: TemplateCode
  /** Absent for images, as is the handler. */
  readonly runtime?: string
  readonly handler?: string
  readonly description?: string
  readonly imageConfig?: ImageConfig
  readonly ephemeralStorageMegabytes?: number
  readonly loggingFormat?: LoggingFormat
  readonly applicationLogLevel?: ApplicationLogLevel
  readonly systemLogLevel?: SystemLogLevel
  readonly environment: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
  readonly memoryMegabytes: number
  /** ARNs, later ones on top; those of the template's own layers are keys of `Template.layers`. */
  readonly layers: ReadonlyArray<string>
  readonly reservedConcurrency?: number
  readonly provisionedConcurrency?: number
  readonly deadLetterTarget?: string
  /** The aliases and versions that the template makes of it: all of them are the function as it is. */
  readonly qualifiers: ReadonlyArray<Qualifier>
  readonly url?: DeclaredUrl
  readonly eventInvoke?: EventInvokeDefaults
}

export interface TemplateLayer {
  readonly logicalId: string
  readonly place: string
  /** Absolute: a folder, or a ZIP file. */
  readonly path: string
}

/** A function of the template that cannot run. */
export interface UnusableFunction {
  /** One line: where and why. */
  readonly detail: string
  /** Nothing is wrong with the template: this is not the place for what it wants. */
  readonly isElsewhere: boolean
}

export interface Template {
  /** By name. */
  readonly functions: ReadonlyMap<string, TemplateFunction>
  readonly unusable: ReadonlyMap<string, UnusableFunction>
  /** By ARN. */
  readonly layers: ReadonlyMap<string, TemplateLayer>
  readonly apis: ReadonlyArray<Api>
  readonly schedules: ReadonlyArray<Schedule>
  /** Absolute: what the template was read out of beside its own file. */
  readonly files: ReadonlyArray<string>
  /** What is wrong with it, and keeps something from running. */
  readonly problems: ReadonlyArray<RegistryProblem>
  /** What it holds that is not for Irori, or that is odd; one line each. */
  readonly warnings: ReadonlyArray<RegistryProblem>
}

export const emptyTemplate: Template = {
  functions: new Map(),
  unusable: new Map(),
  layers: new Map(),
  apis: [],
  schedules: [],
  files: [],
  problems: [],
  warnings: []
}
