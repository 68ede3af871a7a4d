/** Answers with a line every 200 milliseconds: invoke it with InvokeWithResponseStream to see them come. */
import { setTimeout } from "node:timers/promises"

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("text/plain")
  for (let line = 1; line <= (event.lines ?? 5); line++) {
    stream.write(`line ${line}\n`)
    await setTimeout(200)
  }
  stream.end()
})
