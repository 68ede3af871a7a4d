/** Answers with the event it got, and with what it can see of itself. */
export const handler = async (event, context) => {
  console.log(`invoked with ${JSON.stringify(event)}`)
  return {
    event,
    function: context.functionName,
    version: context.functionVersion,
    arn: context.invokedFunctionArn,
    requestId: context.awsRequestId,
    memoryMegabytes: context.memoryLimitInMB,
    remainingMillis: context.getRemainingTimeInMillis(),
    greeting: process.env.GREETING
  }
}
