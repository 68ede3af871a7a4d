/** URLs of functions and of aliases. */
import { Effect } from "effect"
import { type FunctionUrl, type FunctionUrlSettings, FunctionUrls } from "../../src/control/FunctionUrls.ts"
import type { Call, Handlers, OperationInputs } from "./Operation.ts"

export const functionUrls = {
  CreateFunctionUrlConfig: (input, call) =>
    Effect.gen(function* () {
      const urls = yield* FunctionUrls
      // The model demands an AuthType.
      const url = yield* urls.create(call.reference, { authType: "NONE", ...settingsOf(input) })
      const { InvokeMode, LastModifiedTime, ...answer } = describe(urls, call, url)
      return input.InvokeMode === undefined ? answer : { ...answer, InvokeMode }
    }),
  GetFunctionUrlConfig: (_, call) =>
    Effect.gen(function* () {
      const urls = yield* FunctionUrls
      return describe(urls, call, yield* urls.get(call.reference))
    }),
  UpdateFunctionUrlConfig: (input, call) =>
    Effect.gen(function* () {
      const urls = yield* FunctionUrls
      return describe(urls, call, yield* urls.update(call.reference, settingsOf(input)))
    }),
  DeleteFunctionUrlConfig: (_, call) => FunctionUrls.use((urls) => Effect.as(urls.remove(call.reference), undefined)),
  ListFunctionUrlConfigs: (input, call) =>
    Effect.gen(function* () {
      const urls = yield* FunctionUrls
      const page = yield* urls.list(call.reference, {
        ...(input.Marker === undefined ? {} : { marker: input.Marker }),
        ...(input.MaxItems === undefined ? {} : { maxItems: input.MaxItems })
      })
      return {
        FunctionUrlConfigs: page.urls.map((url) => describe(urls, call, url)),
        ...(page.nextMarker === undefined ? {} : { NextMarker: page.nextMarker })
      }
    })
} satisfies Handlers<FunctionUrls>

type Input = Partial<
  Pick<
    OperationInputs["CreateFunctionUrlConfig"] | OperationInputs["UpdateFunctionUrlConfig"],
    "AuthType" | "Cors" | "InvokeMode"
  >
>

const settingsOf = ({ AuthType, Cors, InvokeMode }: Input): Partial<FunctionUrlSettings> => ({
  ...(AuthType === undefined ? {} : { authType: AuthType }),
  ...(Cors === undefined ? {} : { cors: Cors }),
  ...(InvokeMode === undefined ? {} : { invokeMode: InvokeMode })
})

const describe = (urls: FunctionUrls["Service"], { origin }: Call, url: FunctionUrl) => ({
  FunctionUrl: urls.linkTo(url, origin),
  FunctionArn: urls.arnOf(url),
  AuthType: url.authType,
  ...(url.cors === undefined ? {} : { Cors: url.cors }),
  CreationTime: new Date(url.createdMillis).toISOString(),
  LastModifiedTime: new Date(url.modifiedMillis).toISOString(),
  InvokeMode: url.invokeMode
})
