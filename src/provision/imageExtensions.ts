/**
 * The extensions that a function's own image has in `/opt/extensions`. An engine tells of a container's files, not of
 * an image's: so the first container of each image is looked into, once it is made and before it starts.
 */
import { Duration, Effect, Stream } from "effect"
import * as Tar from "effect/encoding/Tar"
import { DockerAdaptor } from "./DockerAdaptor.ts"
import { type DockerError, DockerTimedOut } from "./DockerError.ts"

export interface ImageExtensions {
  /** The names of the executable files there, in the order in which they are started; undefined until it is known. */
  readonly of: (imageId: string) => ReadonlyArray<string> | undefined
  /** Looks into a container of the image. */
  readonly look: (imageId: string, container: string) => Effect.Effect<ReadonlyArray<string>, DockerError>
}

const folder = "/opt/extensions"
/** They come with all their bytes. */
const readTimeout = Duration.seconds(60)

export const make: Effect.Effect<ImageExtensions, never, DockerAdaptor> = Effect.gen(function* () {
  const docker = yield* DockerAdaptor
  const known = new Map<string, ReadonlyArray<string>>()

  const read = (container: string) =>
    docker.archive(container, folder).pipe(
      Stream.pipeThroughChannel(Tar.decode<DockerError>()),
      Stream.runFold(
        (): ReadonlyArray<string> => [],
        (names, { header }) => {
          const [, name] = /^extensions\/([^/]+)$/.exec(header.path) ?? []
          const starts = name !== undefined && !name.startsWith(".") && (header.mode & 0o111) !== 0
          return starts && (header.type === "File" || header.type === "Hardlink") ? [...names, name] : names
        }
      ),
      Effect.map((names) => names.toSorted()),
      // Without the folder there are none. An archive that cannot be read is the engine's mistake.
      Effect.catchTag("DockerNotFound", () => Effect.succeed([])),
      Effect.catchTag("TarError", Effect.die),
      Effect.timeoutOrElse({
        duration: readTimeout,
        orElse: () => Effect.fail(new DockerTimedOut({ operation: "archive", timeout: readTimeout }))
      })
    )

  return {
    of: (imageId) => known.get(imageId),
    look: (imageId, container) => Effect.tap(read(container), (names) => Effect.sync(() => known.set(imageId, names)))
  }
})
