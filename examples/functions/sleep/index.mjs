/** Takes `event.ms` milliseconds; longer than its timeout, it is cut off. */
export const handler = async (event) => {
  const ms = event?.ms ?? 1000
  console.log(`sleeping for ${ms} ms`)
  await new Promise((resolve) => setTimeout(resolve, ms))
  return { slept: ms }
}
