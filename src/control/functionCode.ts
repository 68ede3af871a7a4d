/** Where a caller says a function's code is, and what Lambda answers where it cannot be there. */
import type { FunctionCode as GivenCode } from "@aws-sdk/client-lambda"
import { Effect } from "effect"
import { type CodeStore, maxUnzippedBytes } from "./CodeStore.ts"
import type { FunctionCode, FunctionSettings } from "./FunctionRecord.ts"
import { InvalidParameterValue } from "./refusals.ts"

type PackageType = FunctionSettings["PackageType"]

/** `doing` as in Lambda's refusals. Kept in the store when it succeeds. */
export const takeCode = Effect.fnUntraced(function* (
  codes: CodeStore["Service"],
  given: GivenCode,
  packageType: PackageType,
  doing: "creating" | "updating"
): Effect.fn.Return<FunctionCode, InvalidParameterValue | Effect.Error<ReturnType<CodeStore["Service"]["store"]>>> {
  const refused = refuse(given, packageType, doing)
  if (refused !== undefined) return yield* new InvalidParameterValue({ detail: refused })
  if (given.ImageUri !== undefined) return { imageUri: given.ImageUri }
  return yield* codes.store(given.ZipFile ?? new Uint8Array())
})

/** Why a function of this code does not go with layers whose contents are so large; undefined where it does. */
export const refuseSize = (code: FunctionCode, layerBytes: number): InvalidParameterValue | undefined => {
  const bytes = ("imageUri" in code ? 0 : (code.unzippedBytes ?? 0)) + layerBytes
  return bytes <= maxUnzippedBytes
    ? undefined
    : new InvalidParameterValue({
        detail: `Function code combined with layers exceeds the maximum allowed size of ${maxUnzippedBytes} bytes. The actual size is ${bytes} bytes.`
      })
}

const refuse = (given: GivenCode, packageType: PackageType, doing: string): string | undefined => {
  const a = doing === "creating" ? "creating a" : "updating a"
  if (packageType === "Image") {
    return given.ImageUri === undefined
      ? `Please provide ImageUri when ${a} function with packageType Image.`
      : undefined
  }
  if (given.ImageUri !== undefined) return `Please don't provide ImageUri when ${a} function with packageType Zip.`
  // There is no S3 here, and so no bucket of any name.
  if (given.S3Bucket !== undefined || given.S3Key !== undefined) {
    return "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
  }
  return given.ZipFile === undefined ? "Please provide a source for function code." : undefined
}
