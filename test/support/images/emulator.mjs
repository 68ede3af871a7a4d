/**
 * Stands in for AWS's emulator in an image, by what is known of it (`LAMBDA-CONTRACT.md` section 8.1): takes events on
 * port 8080, starts the runtime with the first of them, and serves that runtime the Runtime API.
 */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { createServer } from "node:http"

const [program, ...args] = process.argv.slice(2)
const timeoutSeconds = Number(process.env.AWS_LAMBDA_FUNCTION_TIMEOUT ?? 300)
const runtimeApi = "127.0.0.1:9001"
const accepted = '{"status":"OK"}'

/** The runtime's process, its `next` that waits, and the event it is to have or has. */
let runtime
let parked
let event

const bytesOf = async (request) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const exitError = (code, signal) => {
  const how =
    code === 0 ? "without providing a reason" : `with error: ${signal ? `signal: ${signal}` : `exit status ${code}`}`
  return JSON.stringify({
    errorType: "Runtime.ExitError",
    errorMessage: `RequestId: ${event?.id} Error: Runtime exited ${how}`
  })
}

const settle = (status, body) => {
  const answered = event
  event = undefined
  clearTimeout(answered?.timer)
  answered?.response.writeHead(status).end(body)
}

const hand = () => {
  if (parked === undefined || event === undefined || event.handed) return
  event.handed = true
  parked.writeHead(200, {
    "Content-Type": "application/json",
    "Content-Length": event.payload.length,
    "Lambda-Runtime-Aws-Request-Id": event.id,
    "Lambda-Runtime-Deadline-Ms": String(Date.now() + timeoutSeconds * 1000),
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:012345678912:function:test_function"
  })
  parked.end(event.payload)
  parked = undefined
}

const startRuntime = () => {
  if (runtime !== undefined) return
  const child = spawn(program, args, {
    stdio: "inherit",
    env: { ...process.env, AWS_LAMBDA_RUNTIME_API: runtimeApi }
  })
  runtime = child
  child.on("exit", (code, signal) => {
    if (runtime !== child) return
    runtime = parked = undefined
    settle(502, exitError(code, signal))
  })
}

const timeOut = () => {
  runtime?.kill("SIGKILL")
  runtime = parked = undefined
  settle(200, `Task timed out after ${timeoutSeconds}.00 seconds`)
}

// The runtime's connection is idle for as long as its function runs.
createServer({ keepAliveTimeout: 0 }, async (request, response) => {
  const path = request.url.replace("/2018-06-01/runtime/", "")
  const body = await bytesOf(request)
  if (path === "invocation/next") {
    parked = response
    return hand()
  }
  response.writeHead(202, { "Content-Type": "application/json", "Content-Length": accepted.length }).end(accepted)
  if (path === "init/error") settle(502, body)
  else if (path === `invocation/${event?.id}/response` || path === `invocation/${event?.id}/error`) settle(200, body)
}).listen(9001, "127.0.0.1")

createServer(async (request, response) => {
  const payload = await bytesOf(request)
  if (request.url !== "/2015-03-31/functions/function/invocations") return response.writeHead(404).end()
  if (event !== undefined) return response.writeHead(400).end()
  event = { id: randomUUID(), payload, response, handed: false, timer: setTimeout(timeOut, timeoutSeconds * 1000) }
  startRuntime()
  hand()
}).listen(8080)
