/** The second argument of a handler, from the headers of its event and the worker's environment. */

const json = (text) => (text === undefined ? undefined : JSON.parse(text))

export const contextOf = (headers) => {
  const { env } = process
  const deadline = Number(headers["lambda-runtime-deadline-ms"])
  const clientContext = json(headers["lambda-runtime-client-context"])
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    ...(clientContext === undefined ? {} : { clientContext }),
    identity: json(headers["lambda-runtime-cognito-identity"]),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadline - Date.now()
  }
}
