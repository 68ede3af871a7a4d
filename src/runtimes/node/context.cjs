/** What every handler gets as its context, from the head of its event and the worker's environment. */
"use strict"

const { fieldOf } = require("./AnswerReader.cjs")

/** As the process was started with: what traceId.cjs puts in its place takes twice as long to read. */
const { env } = process

const requestIdOf = fieldOf("lambda-runtime-aws-request-id")
const functionArnOf = fieldOf("lambda-runtime-invoked-function-arn")
const deadlineOf = fieldOf("lambda-runtime-deadline-ms")
const clientContextOf = fieldOf("lambda-runtime-client-context")
const identityOf = fieldOf("lambda-runtime-cognito-identity")

const json = (text) => (text === undefined ? undefined : JSON.parse(text))

const contextOf = (head) => {
  const deadline = Number(deadlineOf(head))
  const clientContext = json(clientContextOf(head))
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    ...(clientContext === undefined ? {} : { clientContext }),
    identity: json(identityOf(head)),
    invokedFunctionArn: functionArnOf(head),
    awsRequestId: requestIdOf(head),
    getRemainingTimeInMillis: () => deadline - Date.now()
  }
}

module.exports = { contextOf }
