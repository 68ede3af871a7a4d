/** The sign-in as the API document tells of it. */
import type { DocumentDecoration } from "elysia"

const refused = {
  description:
    "The API key is not known, or, with the header PADMA_USER_AUTHORIZED, the user or the password is wrong.",
  headers: {
    PADMA_USER_AUTHORIZED: { description: "`true` where the API key is known.", schema: { type: "string" as const } }
  },
  content: { "application/json": { example: { message: "Unauthorized" } } }
}

export const signInOperation: DocumentDecoration = {
  operationId: "SignIn",
  tags: ["Sign-in"],
  summary: "A token for the routes of routing.yml",
  description:
    "There only where JWT_SECRET_KEY, X_API_KEY, AUTH_USER and AUTH_PASS are set, at AUTH_ENDPOINT_PATH. The token goes " +
    "into the Authorization header, with or without `Bearer` before it.",
  parameters: [{ name: "x-api-key", in: "header", required: true, schema: { type: "string" } }],
  requestBody: {
    required: true,
    content: {
      "application/json": {
        schema: {
          type: "object",
          required: ["AuthParameters"],
          properties: {
            AuthParameters: {
              type: "object",
              required: ["USERNAME", "PASSWORD"],
              properties: { USERNAME: { type: "string" }, PASSWORD: { type: "string" } }
            }
          }
        },
        example: { AuthParameters: { USERNAME: "admin", PASSWORD: "secret" } }
      }
    }
  },
  responses: {
    200: {
      description: "Signed in. The token holds for JWT_EXPIRES_DELTA seconds.",
      content: { "application/json": { example: { AuthenticationResult: { IdToken: "eyJhbGciOiJIUzI1NiIs…" } } } }
    },
    401: refused,
    422: {
      description: "The body is not of this form.",
      content: {
        "application/json": {
          example: { message: "Validation Error", detail: "AuthParameters.PASSWORD: Expected a text" }
        }
      }
    }
  }
}
