/**
 * What a gateway sees of each failure of the manager: the only place with statuses.
 *
 * A failure, or a reason of a failed start, without a row here does not compile.
 */
import { Schema } from "effect"
import type { StartFailure } from "../../src/domain/Worker.ts"
import type { WorkerLost } from "../../src/invoke/WorkerClient.ts"
import type { ContainerMetricsUnavailable } from "../../src/provision/ContainerMetrics.ts"
import type { ProvisionRefusal, WorkerUnknown } from "../../src/provision/Manager.ts"
import { ManagerError } from "../../src/provision/ManagerProtocol.ts"
import type { WorkerGone } from "../../src/provision/Provisioner.ts"

export type ManagerFailure = ProvisionRefusal | WorkerUnknown | WorkerGone | WorkerLost | ContainerMetricsUnavailable

const startStatuses = {
  ImageNotFound: 404,
  InitTimedOut: 408,
  // The container came up and did not stay, or this machine lacks what it needs: asking again changes nothing.
  InitError: 409,
  InitExited: 409,
  RuntimeUnavailable: 409,
  // The engine refused what it was asked.
  Refused: 400,
  EngineUnavailable: 500
} satisfies Record<StartFailure["reason"], number>

interface Answer {
  readonly status: number
  readonly error: ManagerError
}

/** Nothing was started, for a reason that a person has to mend. */
const refused = (status: number, detail: string): Answer => ({
  status,
  error: { detail, failure: { reason: "Refused", detail } }
})

const rows: { readonly [F in ManagerFailure as F["_tag"]]: (failure: F) => Answer } = {
  StartFailed: ({ failure }) => ({
    status: startStatuses[failure.reason],
    error: { detail: failure.detail, failure }
  }),
  CodeOutsideRoots: ({ message }) => refused(403, message),
  WorkerLimitReached: ({ message }) => refused(429, message),
  ContainerMetricsUnavailable: ({ detail }) => ({ status: 503, error: { detail } }),
  WorkerUnknown: ({ message }) => ({ status: 404, error: { detail: message } }),
  // Not 404, which a manager without these routes answers: a gateway gives up a worker for this.
  WorkerGone: ({ message }) => ({ status: 410, error: { detail: message } }),
  WorkerLost: ({ began, exit, log, message, timedOut }) => ({
    status: 502,
    error: {
      detail: message,
      lost: {
        began,
        ...(exit === undefined ? {} : { exit }),
        ...(log === undefined ? {} : { log }),
        ...(timedOut === undefined ? {} : { timed_out: timedOut })
      }
    }
  })
}

const encode = Schema.encodeSync(Schema.toCodecJson(ManagerError))

export const answerTo = (failure: ManagerFailure): Answer => {
  // The row of a failure's tag takes that failure; the compiler does not see the two go together.
  const row = rows[failure._tag] as (failure: ManagerFailure) => Answer
  return row(failure)
}

export const errorResponse = (failure: ManagerFailure): Response => {
  const { error, status } = answerTo(failure)
  return Response.json(encode(error), { status })
}

export const plainError = (status: number, detail: string): Response => Response.json(encode({ detail }), { status })
