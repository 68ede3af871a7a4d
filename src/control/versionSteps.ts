/** The steps that versions go through, each with another revision id. Within one transaction of the store's. */
import { createHash, randomUUID } from "node:crypto"
import { Effect } from "effect"
import { type FunctionCode, type FunctionSettings, isSettled, latest, type VersionRecord } from "./FunctionRecord.ts"
import type { FunctionStore } from "./FunctionStore.ts"
import { InvalidParameterValue, PreconditionFailed } from "./refusals.ts"

type Store = FunctionStore["Service"]

export const created = (code: FunctionCode, settings: FunctionSettings, now: number): VersionRecord => ({
  version: latest,
  revisionId: randomUUID(),
  lastModifiedMillis: now,
  state: "Pending",
  code,
  settings
})

/** One that was still on its way is where it was going. */
export const updated = (
  before: VersionRecord,
  change: Partial<Pick<VersionRecord, "code" | "settings">>,
  now: number
): VersionRecord => ({
  ...before,
  ...change,
  revisionId: randomUUID(),
  lastModifiedMillis: now,
  state: "Active",
  update: "InProgress"
})

/** What is on its way arrives. The code of a function is in its place before the function is, so nothing is waited for. */
export const settle = (store: Store, name: string): void => {
  const moving = [...(store.versions(name)?.values() ?? [])].filter((record) => !isSettled(record))
  if (moving.length === 0) return
  store.transaction(() => {
    for (const record of moving) {
      store.putVersion(name, { ...record, revisionId: randomUUID(), state: "Active", update: "Successful" })
    }
  })
}

/** To be forked: whoever made the change does not wait for it. What is not settled now is at the next start. */
export const settled = (store: Store, name: string) =>
  Effect.sync(() => settle(store, name)).pipe(
    Effect.catchCause((cause) => Effect.logError(`The state of the function '${name}' was not written`, cause))
  )

/**
 * `$LATEST` as it is, under the next number; or the last version, where nothing has changed since it was made. The
 * function is there.
 */
export const publish = (store: Store, name: string, description: string | undefined, now: number): VersionRecord => {
  const versions = store.versions(name)!
  const current = versions.get(latest)!
  const publishedOf = contentOf(current)
  const last = [...versions.values()].at(-1)!
  if (last.publishedOf === publishedOf) return last
  const { update: _, ...record } = current
  const published: VersionRecord = {
    ...record,
    version: store.takeNumber(name),
    revisionId: randomUUID(),
    lastModifiedMillis: now,
    state: "Pending",
    settings: { ...current.settings, Description: description ?? current.settings.Description },
    publishedOf
  }
  store.putVersion(name, published)
  store.putVersion(name, { ...current, revisionId: randomUUID() })
  return published
}

const contentOf = ({ code, settings }: VersionRecord): string =>
  createHash("sha256")
    .update(JSON.stringify([code, Object.entries(settings).sort()]))
    .digest("hex")

/** Undefined where the caller knows the latest revision, or does not say which. */
export const refuseRevision = (
  record: { readonly revisionId: string },
  asked: string | undefined
): PreconditionFailed | undefined =>
  asked === undefined || asked === record.revisionId
    ? undefined
    : new PreconditionFailed({
        detail:
          "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
      })

export const invalid = (detail: string) => new InvalidParameterValue({ detail })
