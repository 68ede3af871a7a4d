/** Takes half a minute to initialise. */
console.log(`${process.env.TEST_MARK} starts slowly`)
await new Promise((resolve) => setTimeout(resolve, 30_000))

export const handler = async () => "at last"
