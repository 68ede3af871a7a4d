/** Answers with one megabyte. */
export const handler = async () => ({ data: "x".repeat(1024 * 1024) })
