import { createRequire } from "node:module"

// ES modules do not look into layers by themselves; `require` does, by NODE_PATH.
const { shout } = createRequire(import.meta.url)("format")

export const handler = async (event) => ({
  statusCode: 200,
  headers: { "content-type": "text/plain" },
  body: shout(`hello ${event.queryStringParameters?.name ?? "you"}, from ${process.env.STAGE}`)
})
