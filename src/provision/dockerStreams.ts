/** What the engine sends bit by bit: bytes off a response, read as fast as they are taken, and what they are made of. */
import type { Readable } from "node:stream"
import { Cause, Effect, Schema, Stream } from "effect"
import type { ContainerLog, LogLine } from "./ContainerLog.ts"
import type { DockerError } from "./DockerError.ts"

export const bytesOf = (
  readable: Readable,
  failure: (cause: unknown) => DockerError
): Stream.Stream<Uint8Array, DockerError> => {
  const next = Effect.callback<readonly [Uint8Array], DockerError | Cause.Done>((resume) => {
    const look = () => {
      const chunk: unknown = readable.read()
      if (chunk instanceof Uint8Array) settle(Effect.succeed([chunk] as const))
      else if (readable.errored !== null) settle(Effect.fail(failure(readable.errored)))
      else if (readable.readableEnded || readable.destroyed) settle(Cause.done())
    }
    const leave = () => {
      for (const event of ["readable", "end", "error", "close"]) readable.off(event, look)
    }
    const settle = (outcome: Effect.Effect<readonly [Uint8Array], DockerError | Cause.Done>) => {
      leave()
      resume(outcome)
    }
    for (const event of ["readable", "end", "error", "close"]) readable.on(event, look)
    look()
    return Effect.sync(leave)
  })
  return Stream.fromPull(Effect.succeed(next))
}

export const jsonLines = (bytes: Stream.Stream<Uint8Array, DockerError>): Stream.Stream<unknown, DockerError> =>
  bytes.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line !== ""),
    Stream.map((line) => Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))(line)),
    Stream.map((line) => (line._tag === "Some" ? line.value : undefined))
  )

export const linesOf = (
  bytes: Stream.Stream<Uint8Array, DockerError>,
  log: ContainerLog
): Stream.Stream<LogLine, DockerError> => Stream.flatMap(bytes, (chunk) => Stream.fromIterable(log.push(chunk)))
