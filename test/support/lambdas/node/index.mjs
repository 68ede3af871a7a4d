/** Does what its event says, and tells which worker it runs in and which call of it this is. */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"

const worker = randomUUID()
let calls = 0

/** 8 characters for each number, no two of them alike. */
const numbers = (count) => Array.from({ length: count }, (_, number) => String(number).padStart(8, "0")).join("")

export const handler = async (event, context) => {
  calls++
  if (event.print !== undefined) console.log(event.print)
  if (event.spawn !== undefined) spawn("sleep", [event.spawn], { stdio: "ignore" })
  if (event.throw !== undefined) throw new RangeError(event.throw)
  if (event.exit !== undefined) process.exit(event.exit)
  if (event.sleep !== undefined) await new Promise((resolve) => setTimeout(resolve, event.sleep))
  if (event.numbers !== undefined) return numbers(event.numbers)
  return { event, worker, calls, requestId: context.awsRequestId, arn: context.invokedFunctionArn }
}
