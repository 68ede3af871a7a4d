/** The AWS CLI as a person uses it: one command a process, nothing set but the endpoint. */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { hasProgram } from "./docker.ts"

/** Debian's, where it is; another that is first on the path may need a Python that has its packages. */
const program = existsSync("/usr/bin/aws") ? "/usr/bin/aws" : "aws"

/** Why there is none here; undefined where there is. */
export const noAwsCli: string | undefined = hasProgram(program)
  ? undefined
  : "the AWS CLI is not installed (Debian: awscli)"

export interface CliAnswer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface AwsCli {
  /** `aws lambda …` */
  readonly run: (...args: ReadonlyArray<string>) => Promise<CliAnswer>
  /** The same, expected to succeed: what it printed, parsed; undefined for nothing. */
  // biome-ignore lint/suspicious/noExplicitAny: answers that a test looks into.
  readonly json: (...args: ReadonlyArray<string>) => Promise<any>
}

export const awsCli = (url: string, folder: string): AwsCli => {
  const run = (...args: ReadonlyArray<string>) =>
    new Promise<CliAnswer>((resolve) => {
      const env = {
        PATH: process.env.PATH,
        HOME: folder,
        LANG: "C.UTF-8",
        AWS_PAGER: "",
        AWS_DEFAULT_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "nobody",
        AWS_SECRET_ACCESS_KEY: "nothing",
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_MAX_ATTEMPTS: "1"
      }
      const whole = ["--endpoint-url", url, "--output", "json", "lambda", ...args]
      execFile(program, whole, { cwd: folder, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
        resolve({ code, stdout, stderr })
      })
    })
  return {
    run,
    json: async (...args) => {
      const { code, stderr, stdout } = await run(...args)
      if (code !== 0) throw new Error(`aws lambda ${args.join(" ")} ended with ${code}: ${stderr}`)
      return stdout.trim() === "" ? undefined : JSON.parse(stdout)
    }
  }
}
