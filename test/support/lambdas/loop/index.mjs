/** Invokes itself with AWS's client, as its event says, until its event says so or it is refused. */
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda"

const clients = new Map()

const clientOf = (endpoint) => {
  const credentials = { accessKeyId: "nobody", secretAccessKey: "nothing" }
  const client = clients.get(endpoint) ?? new LambdaClient({ endpoint, region: "us-east-1", credentials })
  clients.set(endpoint, client)
  return client
}

export const handler = async ({ depth = 1, endpoint, limit, mark, type }, { functionName }) => {
  console.log(`${mark}: run ${depth}`)
  if (depth >= limit) return { depth }
  const Payload = JSON.stringify({ depth: depth + 1, endpoint, limit, mark, type })
  try {
    const answer = await clientOf(endpoint).send(
      new InvokeCommand({ FunctionName: functionName, InvocationType: type, Payload })
    )
    return type === "Event" ? { depth } : JSON.parse(new TextDecoder().decode(answer.Payload))
  } catch (refused) {
    return { depth, refused: refused.name, status: refused.$metadata?.httpStatusCode, text: refused.message }
  }
}
