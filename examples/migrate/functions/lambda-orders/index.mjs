/** Answers with what it was given and who asked. */
export const handler = async (event) => {
  const { claims } = event.requestContext.authorizer ?? {}
  return {
    statusCode: event.httpMethod === "POST" ? 201 : 200,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      user: claims?.["cognito:username"] ?? null,
      table: process.env.TABLE_NAME,
      level: process.env.LOG_LEVEL,
      price: process.env.PRICE ?? null,
      gateway: process.env.GATEWAY_INTERNAL_URL ?? null,
      event
    })
  }
}
