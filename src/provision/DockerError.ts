/** The ways in which a Docker operation fails, and which of them a foreign error is. */
import { Duration, Schema } from "effect"

/** No engine answers at the address. Nothing was done. */
export class DockerUnavailable extends Schema.TaggedError<DockerUnavailable>()("DockerUnavailable", {
  operation: Schema.String,
  /** One line for a person: what is wrong and what to do. */
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.detail
  }
}

/** The engine does not have the container, image or network. */
export class DockerNotFound extends Schema.TaggedError<DockerNotFound>()("DockerNotFound", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The name is taken, or the thing is in a state in which this cannot be done. */
export class DockerConflict extends Schema.TaggedError<DockerConflict>()("DockerConflict", {
  operation: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** The engine did not answer in time. What it was asked to do may have happened, or may happen yet. */
export class DockerTimedOut extends Schema.TaggedError<DockerTimedOut>()("DockerTimedOut", {
  operation: Schema.String,
  timeout: Schema.Duration
}) {
  override get message() {
    return `Docker did not answer within ${Duration.format(this.timeout)} (${this.operation}); is the engine overloaded?`
  }
}

/** The engine refused, or broke off: without `status` what it was asked to do may have happened. */
export class DockerFailed extends Schema.TaggedError<DockerFailed>()("DockerFailed", {
  operation: Schema.String,
  status: Schema.optionalKey(Schema.Int),
  detail: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.detail
  }
}

export type DockerError = DockerUnavailable | DockerNotFound | DockerConflict | DockerTimedOut | DockerFailed

/** What a person does about an engine that cannot be reached, by the error of the socket. */
const remedies: Readonly<Record<string, string>> = {
  ENOENT: "is Docker installed and running? (`systemctl start docker`)",
  ENOTFOUND: "the host of DOCKER_HOST has no address",
  ECONNREFUSED: "Docker is installed, but not running (`systemctl start docker`)",
  EHOSTUNREACH: "the host of DOCKER_HOST cannot be reached",
  ETIMEDOUT: "the host of DOCKER_HOST cannot be reached",
  EACCES: "add yourself to the docker group (`sudo usermod -aG docker $USER`, then log in again)",
  EPERM: "add yourself to the docker group (`sudo usermod -aG docker $USER`, then log in again)"
}

/** How a runtime names a refused socket: Bun has names of its own for some. */
const codeOf = (cause: unknown): string | undefined => {
  const code = field(cause, "code")
  if (code === "FailedToOpenSocket") return "ENOENT"
  return code === "ConnectionRefused" ? "ECONNREFUSED" : typeof code === "string" ? code : undefined
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

/** Without the words that dockerode puts in front of what the engine said. */
const oneLine = (text: string): string =>
  text
    .replace(/^\(HTTP code \d+\) .*? - /, "")
    .replace(/\s*[\r\n]+\s*/g, " ")
    .trim()

/** `address` is where the engine was looked for. */
export const dockerError =
  (operation: string, address: string) =>
  (cause: unknown): DockerError => {
    const said = field(field(cause, "json"), "message")
    const detail = oneLine(typeof said === "string" ? said : cause instanceof Error ? cause.message : String(cause))
    const status = field(cause, "statusCode")
    if (typeof status === "number") {
      if (status === 404) return new DockerNotFound({ operation, detail })
      if (status === 409) return new DockerConflict({ operation, detail })
      return new DockerFailed({ operation, status, detail, cause })
    }
    const remedy = remedies[codeOf(cause) ?? ""]
    return remedy === undefined
      ? new DockerFailed({ operation, detail, cause })
      : new DockerUnavailable({ operation, detail: `Docker cannot be reached at ${address}: ${remedy}`, cause })
  }
