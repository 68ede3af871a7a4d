/** Why connections close, where it is not that both sides had ended. */

export const closedHere = () => new Error("it was closed on this side")

export const brokeOff = () => new Error("the connection broke off")

/** What the user of a connection throws costs it that connection, and nobody else theirs; but it is not kept quiet. */
export const reportBug = (bug: unknown): void =>
  process.emitWarning(
    `A connection was lost to a bug: ${bug instanceof Error ? (bug.stack ?? bug.message) : String(bug)}`
  )
