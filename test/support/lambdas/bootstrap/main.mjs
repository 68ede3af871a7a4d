/** A runtime of its own: speaks the Runtime API itself, does what its event says, and tells which worker it is. */
import { randomUUID } from "node:crypto"
import { request } from "node:http"

const worker = randomUUID()
let calls = 0

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/${path}`
    const exchange = request(url, { method }, (response) => {
      const chunks = []
      response.on("data", (chunk) => chunks.push(chunk))
      response.on("end", () => resolve({ headers: response.headers, text: Buffer.concat(chunks).toString() }))
    })
    exchange.on("error", reject)
    exchange.end(body)
  })

const numbers = (count) => Array.from({ length: count }, (_, number) => String(number).padStart(8, "0")).join("")

const error = (errorMessage) => JSON.stringify({ errorType: "Bootstrap.Refusal", errorMessage })

const run = async (event, headers) => {
  if (event.print !== undefined) console.log(event.print)
  if (event.exit !== undefined) process.exit(event.exit)
  if (event.sleep !== undefined) await new Promise((resolve) => setTimeout(resolve, event.sleep))
  if (event.numbers !== undefined) return numbers(event.numbers)
  const requestId = headers["lambda-runtime-aws-request-id"]
  return { event, worker, calls, requestId, arn: headers["lambda-runtime-invoked-function-arn"] }
}

const main = async () => {
  if (process.env.BROKEN !== undefined) {
    await call("POST", "init/error", error("no luck today"))
    process.exit(1)
  }
  for (;;) {
    const { headers, text } = await call("GET", "invocation/next")
    const id = headers["lambda-runtime-aws-request-id"]
    const event = JSON.parse(text)
    calls++
    if (event.throw !== undefined) await call("POST", `invocation/${id}/error`, error(event.throw))
    else await call("POST", `invocation/${id}/response`, JSON.stringify(await run(event, headers)))
  }
}

main()
