import { describe, expect, it } from "vitest"
import { WorkerId } from "../../src/domain/Worker.ts"
import { type OutputLine, WorkerOutput } from "../../src/runtime-api/WorkerOutput.ts"

const [one, other] = [WorkerId.make("one"), WorkerId.make("other")]
const line = (text: string): OutputLine => ({ stream: "stdout", text })

describe("WorkerOutput", () => {
  it("gives a worker's lines to all who listen for it, and to nobody else", () => {
    const output = new WorkerOutput()
    const heard: Array<string> = []
    output.subscribe(one, ({ text }) => heard.push(`first ${text}`))
    output.subscribe(one, ({ text }) => heard.push(`second ${text}`))
    output.subscribe(other, ({ text }) => heard.push(`other ${text}`))
    output.write(one, line("a"))
    expect(heard).toEqual(["first a", "second a"])
  })

  it("gives nothing to whoever has left, though that is while a line is given out", () => {
    const output = new WorkerOutput()
    const heard: Array<string> = []
    const leave = output.subscribe(one, ({ text }) => {
      heard.push(`first ${text}`)
      leave()
    })
    output.subscribe(one, ({ text }) => heard.push(`second ${text}`))
    output.write(one, line("a"))
    output.write(one, line("b"))
    expect(heard).toEqual(["first a", "second a", "second b"])
  })

  it("forgets what is written before anybody listens", () => {
    const output = new WorkerOutput()
    const heard: Array<string> = []
    output.write(one, line("early"))
    output.subscribe(one, ({ text }) => heard.push(text))
    output.write(one, line("late"))
    expect(heard).toEqual(["late"])
  })
})
