/** Layers, their versions, and who may use them. */
import { Effect } from "effect"
import { type LayerReference, LayerVersions } from "../../src/control/LayerVersions.ts"
import type { Handlers } from "./Operation.ts"

export const layers = {
  PublishLayerVersion: (input, { origin }) => LayerVersions.use((layers) => layers.publish(input, origin)),
  GetLayerVersion: (input, { origin }) => LayerVersions.use((layers) => layers.get(referenceOf(input), origin)),
  GetLayerVersionByArn: ({ Arn = "" }, { origin }) => LayerVersions.use((layers) => layers.getByArn(Arn, origin)),
  DeleteLayerVersion: (input) => LayerVersions.use((layers) => Effect.as(layers.remove(referenceOf(input)), undefined)),
  ListLayers: (input) => LayerVersions.use((layers) => layers.list(input)),
  ListLayerVersions: ({ LayerName = "", ...filter }) =>
    LayerVersions.use((layers) => layers.listVersions(LayerName, filter)),
  AddLayerVersionPermission: (input) => LayerVersions.use((layers) => layers.allow(referenceOf(input), input)),
  GetLayerVersionPolicy: (input) => LayerVersions.use((layers) => layers.policy(referenceOf(input))),
  RemoveLayerVersionPermission: (input) =>
    LayerVersions.use((layers) =>
      Effect.as(layers.withdraw(referenceOf(input), input.StatementId ?? "", input.RevisionId), undefined)
    )
} satisfies Handlers<LayerVersions>

/** The model demands both. */
const referenceOf = (input: {
  readonly LayerName: string | undefined
  readonly VersionNumber: number | undefined
}): LayerReference => ({ name: input.LayerName ?? "", version: input.VersionNumber ?? 0 })
