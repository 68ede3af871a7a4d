/** The functions in `lambdas/`, and AWS's client for those who invoke them. */
import { join } from "node:path"
import { InvokeCommand, type InvokeCommandInput, LambdaClient } from "@aws-sdk/client-lambda"

/** The folder, for `IRORI_FUNCTIONS_DIR`. */
export const lambdas = join(import.meta.dirname, "lambdas")

/** What the functions there do with an event, one after another; without any of it they answer. */
export interface Order {
  /** A line for the log. */
  readonly print?: string
  /** Starts `sleep` for so many seconds, and does not wait for it. */
  readonly spawn?: string
  readonly throw?: string
  readonly exit?: number
  /** Milliseconds. */
  readonly sleep?: number
  /** Answers with so many numbers of eight digits each. */
  readonly numbers?: number
  readonly token?: string
}

export interface Answer {
  readonly event: Order
  /** Which worker it was: another one after each start. */
  readonly worker: string
  /** How many events that worker has had. */
  readonly calls: number
  readonly requestId: string
  readonly arn: string
}

/** An unmodified client: only its endpoint is not AWS's. It tries a call again that failed on the server's side. */
export const lambdaClient = (url: string, settings: { readonly maxAttempts?: number } = {}) =>
  new LambdaClient({
    ...settings,
    endpoint: url,
    region: "us-east-1",
    credentials: { accessKeyId: "nobody", secretAccessKey: "nothing" }
  })

export const invoke = async (
  client: LambdaClient,
  functionName: string,
  order: Order = {},
  settings: Partial<InvokeCommandInput> = {}
) => {
  const answer = await client.send(
    new InvokeCommand({ FunctionName: functionName, Payload: JSON.stringify(order), ...settings })
  )
  const text = new TextDecoder().decode(answer.Payload ?? new Uint8Array())
  return { ...answer, text, requestId: answer.$metadata.requestId, status: answer.$metadata.httpStatusCode }
}

/** Of an invocation that is expected to succeed. */
export const answerOf = async (
  client: LambdaClient,
  functionName: string,
  order: Order = {},
  settings: Partial<InvokeCommandInput> = {}
): Promise<Answer> => {
  const { FunctionError, text } = await invoke(client, functionName, order, settings)
  if (FunctionError !== undefined) throw new Error(`${functionName} failed: ${text}`)
  return JSON.parse(text)
}

/** Of an invocation that is expected to fail in the function. */
export const errorOf = async (client: LambdaClient, functionName: string, order: Order = {}) => {
  const { FunctionError, requestId, status, text } = await invoke(client, functionName, order)
  const { errorMessage, errorType } = JSON.parse(text) as { errorMessage?: string; errorType?: string }
  return { FunctionError, status, errorType, errorMessage, requestId }
}
