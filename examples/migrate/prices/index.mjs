import { createRequire } from "node:module"

// ES modules do not look into layers by themselves; `require` does, by NODE_PATH.
const { tax } = createRequire(import.meta.url)("rates")

export const handler = async (event) => ({
  statusCode: 200,
  body: JSON.stringify({
    id: event.pathParameters.id,
    table: process.env.TABLE_NAME,
    tax,
    authorizer: event.requestContext.authorizer ?? null
  })
})
