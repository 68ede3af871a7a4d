// An HTTP API's event has the format 2.0, and what is returned is the body.
export const handler = async (event) => ({
  id: event.pathParameters?.id ?? "new",
  table: process.env.TABLE,
  stage: process.env.STAGE,
  detail: process.env.LOG_DETAIL,
  body: event.body ?? null
})
