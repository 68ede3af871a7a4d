/** boto3 in a Python of its own (`boto3Driver.py`), asked line by line. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"

/** Debian's own Python has its packages; another that is first on the path may have others. */
const pythonWithBoto3 = ["/usr/bin/python3", "python3"].find(
  (python) => spawnSync(python, ["-c", "import boto3"]).status === 0
)

/** Why there is no boto3 here; undefined where there is. */
export const noBoto3: string | undefined =
  pythonWithBoto3 === undefined ? "boto3 is not installed (Debian: python3-boto3)" : undefined

// biome-ignore lint/suspicious/noExplicitAny: answers that a test looks into.
export type Boto3Result = any

export interface Boto3Error {
  /** Of the exception, as Python names it. */
  readonly class: string
  readonly message: string
  readonly code: string | null
  readonly status: number | null
  /** The members of the error's shape. */
  readonly fields: Readonly<Record<string, string>>
}

export interface Boto3 {
  /** The methods that this version has. */
  readonly operations: ReadonlyArray<string>
  readonly call: (method: string, args?: object) => Promise<Boto3Result>
  /** What the call raises; fails where it raises nothing. */
  readonly refusal: (method: string, args?: object) => Promise<Boto3Error>
  readonly wait: (waiter: string, args: object) => Promise<void>
  /** Every page of a paginator. */
  readonly pages: (method: string, size: number, args?: object) => Promise<ReadonlyArray<Boto3Result>>
  readonly stop: () => Promise<void>
}

type Answer = { readonly result: unknown } | { readonly error: Boto3Error }

export const startBoto3 = async (url: string): Promise<Boto3> => {
  const child = spawn(pythonWithBoto3!, [join(import.meta.dirname, "boto3Driver.py"), url], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env.PATH, HOME: "/nonexistent", AWS_EC2_METADATA_DISABLED: "true" }
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const { operations } = (await nextOf(lines)) as { operations: ReadonlyArray<string> }
  const ask = async (order: object): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(order)}\n`)
    return (await nextOf(lines)) as Answer
  }
  const demand = async (order: object): Promise<Boto3Result> => {
    const answer = await ask(order)
    if ("error" in answer) throw new Error(`${JSON.stringify(order).slice(0, 200)}: ${JSON.stringify(answer.error)}`)
    return answer.result
  }
  return {
    operations,
    call: (call, args = {}) => demand({ call, with: args }),
    refusal: async (call, args = {}) => {
      const answer = await ask({ call, with: args })
      if ("result" in answer) throw new Error(`${call} was not refused`)
      return answer.error
    },
    wait: (wait, args) => demand({ wait, with: args }),
    pages: (pages, size, args = {}) => demand({ pages, size, with: args }),
    stop: () => ended(child)
  }
}

const nextOf = async (lines: AsyncIterator<string>): Promise<unknown> => {
  const { done, value } = await lines.next()
  if (done === true) throw new Error("Python ended")
  return JSON.parse(value)
}

const ended = async (child: ChildProcess): Promise<void> => {
  const exited = once(child, "exit")
  child.stdin?.end()
  await exited
}

/** Bytes for an argument. */
export const bytes = (content: Uint8Array | string): object => ({ base64: Buffer.from(content).toString("base64") })

/** Bytes of a result. */
export const textOf = ({ base64 }: { readonly base64: string }): string => Buffer.from(base64, "base64").toString()
