/**
 * The limit Irori is measured against: a Runtime API loop in one file, `Bun.serve` on both sides and nothing around it.
 * No registry, no pool, no limits, no log. Arguments: how many workers, then the command that runs one.
 * Prints its port.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import process from "node:process"

interface Call {
  readonly id: string
  readonly body: ArrayBuffer
  readonly done: (body: ArrayBuffer) => void
}

const [count, command, ...args] = process.argv.slice(2)
const queue: Array<Call> = []
const polls: Array<(call: Call) => void> = []
const running = new Map<string, Call>()

const take = (call: Call, poll: (call: Call) => void) => {
  running.set(call.id, call)
  poll(call)
}

const runtimeApi = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const path = request.url.slice(request.url.indexOf("/", 8))
    if (path.endsWith("/next")) {
      return new Promise<Response>((answer) => {
        const poll = ({ id, body }: Call) =>
          answer(
            new Response(body, {
              headers: {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": id,
                "Lambda-Runtime-Deadline-Ms": String(Date.now() + 3000),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:echo"
              }
            })
          )
        const call = queue.shift()
        if (call === undefined) polls.push(poll)
        else take(call, poll)
      })
    }
    const id = path.split("/")[4] ?? ""
    const body = await request.arrayBuffer()
    running.get(id)?.done(body)
    running.delete(id)
    return new Response('{"status":"OK"}', { status: 202 })
  }
})

const gateway = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const body = await request.arrayBuffer()
    return new Promise<Response>((answer) => {
      const call = { id: crypto.randomUUID(), body, done: (result: ArrayBuffer) => answer(new Response(result)) }
      const poll = polls.shift()
      if (poll === undefined) queue.push(call)
      else take(call, poll)
    })
  }
})

const workers = Array.from({ length: Number(count) }, () =>
  spawn(command!, args, {
    stdio: ["ignore", "ignore", "inherit"],
    cwd: process.env.LAMBDA_TASK_ROOT,
    env: { ...process.env, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${runtimeApi.port}` }
  })
)
console.log(gateway.port)
await once(process, "SIGTERM")
for (const worker of workers) worker.kill("SIGKILL")
process.exit(0)
