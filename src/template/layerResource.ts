/** Reads where the contents of a layer of a template are: `AWS::Serverless::LayerVersion` and `AWS::Lambda::LayerVersion`. */
import { resolve } from "node:path"
import { isRecord } from "../domain/json.ts"
import type { Fields } from "./Fields.ts"
import type { Resource } from "./templateNames.ts"

/** Absolute: a folder or a ZIP file. Undefined where it is elsewhere, which was said. */
export const layerPathOf = (resource: Resource, properties: Fields, folder: string): string | undefined => {
  const { BuildMethod, "aws:asset:path": asset } = resource.metadata
  const key = resource.type === "AWS::Serverless::LayerVersion" ? "ContentUri" : "Content"
  const given = typeof asset === "string" ? asset : properties.values[key]
  if (typeof given !== "string" || /^(s3|https?):\/\//.test(given)) {
    const where = isRecord(given)
      ? `s3://${given.Bucket ?? given.S3Bucket ?? "?"}/${given.Key ?? given.S3Key ?? "?"}`
      : given
    properties.warn(
      key,
      `its contents are ${typeof where === "string" ? `at ${where}` : "not known here"}: it is left out of functions`
    )
    return undefined
  }
  if (typeof BuildMethod === "string") {
    properties.remarks.warn(
      properties.path,
      `it is built by ${BuildMethod}, which Irori does not do: run sam build, and set IRORI_TEMPLATE to .aws-sam/build/template.yaml`
    )
  }
  return resolve(folder, given)
}
