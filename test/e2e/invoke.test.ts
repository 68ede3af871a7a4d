/**
 * AWS's own client against the whole program: the same invocations over each way in which a function can run, and the
 * same answers from all of them.
 */
import { type LambdaClient, ResourceNotFoundException } from "@aws-sdk/client-lambda"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { hasProgram } from "../support/docker.ts"
import { containersOf, start } from "../support/household.ts"
import { nodeBaseImage } from "../support/images.ts"
import type { Irori } from "../support/irori.ts"
import { type LambdaImages, nodeImages, ricImages } from "../support/lambdaImages.ts"
import { answerOf, errorOf, invoke, lambdaClient, lambdas } from "../support/lambdas.ts"

// The ways are shown beside each other, since each spends most of its time waiting; within one, order matters.

/** One way in which a function can run, and how its runtime tells of failures. */
interface Way {
  readonly title: string
  /** Of the functions in `lambdas/functions.yml`. */
  readonly name: string
  readonly errorType: string
  readonly nowhere: { readonly errorType: string; readonly errorMessage: string }
  /** Why it cannot be shown on this machine. */
  readonly missing: string | undefined
  /** The emulator in the image makes up request ids and ARNs of its own. */
  readonly hasEmulator?: boolean
}

const base = await nodeBaseImage()
const images = await nodeImages()
const ric = await ricImages()

const missingOf = (image: object): string | undefined => ("missing" in image ? String(image.missing) : undefined)

const node = {
  errorType: "RangeError",
  nowhere: { errorType: "Runtime.HandlerNotFound", errorMessage: "index.nowhere is undefined or not exported" }
}

const asProcesses: ReadonlyArray<Way> = [
  { title: "Node.js in a process", name: "node", missing: undefined, ...node },
  {
    title: "Python in a process",
    name: "python",
    missing: hasProgram("python3") ? undefined : "python3 is not installed",
    errorType: "ValueError",
    nowhere: {
      errorType: "Runtime.HandlerNotFound",
      errorMessage: "Handler 'nowhere' missing on module 'lambda_function'"
    }
  },
  {
    title: "a runtime of the function's own in a process",
    name: "bootstrap",
    missing: hasProgram("node") ? undefined : "node is not installed",
    errorType: "Bootstrap.Refusal",
    nowhere: { errorType: "Runtime.InvalidEntrypoint", errorMessage: "Couldn't find valid bootstrap(s): [" }
  }
]

const inDocker: ReadonlyArray<Way> = [
  { title: "code in Docker, in a base image", name: "node", missing: missingOf(base), ...node },
  { title: "an image in Docker", name: "image", missing: missingOf(images), ...node },
  { title: "an image in Docker, by its emulator", name: "rie", missing: missingOf(images), hasEmulator: true, ...node },
  { title: "an image in Docker with AWS's runtime client", name: "ric", missing: missingOf(ric), ...node }
]

const inOrder = { concurrent: false }

const account = "123456789012"
const arn = (name: string) => `arn:aws:lambda:us-east-1:${account}:function:${name}`

const suite = (
  { errorType, hasEmulator = false, missing, name, nowhere, title }: Way,
  reach: () => { readonly irori: Irori; readonly client: LambdaClient }
) =>
  describe.concurrent(title, () => {
    if (missing !== undefined) {
      it.skip(`is not tested here: ${missing}`)
      return
    }

    it.each([
      ["name", name],
      ["partial ARN", `${account}:function:${name}`],
      ["ARN", arn(name)]
    ])("answers an invocation by its %s", inOrder, async (_, reference) => {
      const answer = await invoke(reach().client, reference, { token: "囲炉裏 ä \u0000" })
      expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: "$LATEST" })
      expect(answer.FunctionError).toBeUndefined()
      const seen = JSON.parse(answer.text)
      expect(seen.event).toEqual({ token: "囲炉裏 ä \u0000" })
      if (hasEmulator) return
      expect(seen.requestId).toBe(answer.requestId)
      expect(seen.arn).toBe(arn(name))
    })

    it("runs nothing for a DryRun", inOrder, async () => {
      const { client } = reach()
      const before = await answerOf(client, name)
      const dry = await invoke(client, name, {}, { InvocationType: "DryRun" })
      expect(dry).toMatchObject({ StatusCode: 204, text: "" })
      expect(await answerOf(client, name)).toMatchObject({ worker: before.worker, calls: before.calls + 1 })
    })

    it("takes an Event at once and runs it", inOrder, async () => {
      const { client, irori } = reach()
      const token = crypto.randomUUID()
      const taken = await invoke(client, name, { print: token }, { InvocationType: "Event" })
      expect(taken).toMatchObject({ StatusCode: 202, text: "" })
      await irori.wrote(new RegExp(token))
    })

    it("answers with the function's error, and goes on with the same worker", inOrder, async () => {
      const { client } = reach()
      const before = await answerOf(client, name)
      const error = await errorOf(client, name, { throw: "not with me" })
      expect(error).toMatchObject({ status: 200, FunctionError: "Unhandled", errorType, errorMessage: "not with me" })
      expect(await answerOf(client, name)).toMatchObject({ worker: before.worker, calls: before.calls + 2 })
    })

    it("answers with a megabyte as the function made it", inOrder, async () => {
      const { text } = await invoke(reach().client, name, { numbers: 131_072 })
      const numbers = Array.from({ length: 131_072 }, (_, number) => String(number).padStart(8, "0")).join("")
      // Not by `toBe`, which would print both.
      expect(text === `"${numbers}"`).toBe(true)
    })

    it("cuts an invocation off at the function's timeout, and goes on with another worker", inOrder, async () => {
      const { client } = reach()
      const before = await answerOf(client, name)
      const error = await errorOf(client, name, { sleep: 30_000 })
      expect(error).toMatchObject({
        status: 200,
        FunctionError: "Unhandled",
        errorType: "Sandbox.Timedout",
        errorMessage: `RequestId: ${error.requestId} Error: Task timed out after ${hasEmulator ? 8 : 4}.00 seconds`
      })
      const after = await answerOf(client, name)
      expect(after.worker).not.toBe(before.worker)
      expect(after.calls).toBe(1)
    })

    it("says how a worker ended in the middle of an invocation, and goes on with another", inOrder, async () => {
      const { client } = reach()
      const before = await answerOf(client, name)
      const error = await errorOf(client, name, { exit: 3 })
      expect(error).toMatchObject({ status: 200, FunctionError: "Unhandled", errorType: "Runtime.ExitError" })
      const requestId = hasEmulator ? "[0-9a-f-]{36}" : error.requestId
      expect(error.errorMessage).toMatch(
        new RegExp(`^RequestId: ${requestId} Error: Runtime exited with error: exit status 3$`)
      )
      const after = await answerOf(client, name)
      expect(after.worker).not.toBe(before.worker)
      expect(after.calls).toBe(1)
    })

    it("answers with what failed in the initialisation, each time anew", inOrder, async () => {
      for (const _ of ["first", "second"]) {
        const error = await errorOf(reach().client, `${name}-broken`)
        expect(error).toMatchObject({
          status: 200,
          FunctionError: "Unhandled",
          errorType,
          errorMessage: "no luck today"
        })
      }
    })

    it("says that a handler is missing", inOrder, async () => {
      const error = await errorOf(reach().client, `${name}-nowhere`)
      expect(error).toMatchObject({ status: 200, FunctionError: "Unhandled", errorType: nowhere.errorType })
      expect(error.errorMessage).toContain(nowhere.errorMessage)
    })

    it("refuses what is not JSON, and gives it to no worker", inOrder, async () => {
      const { client, irori } = reach()
      const before = await answerOf(client, name)
      const answer = await fetch(`${irori.url}/2015-03-31/functions/${name}/invocations`, {
        method: "POST",
        body: '{"token": '
      })
      expect(answer.status).toBe(400)
      expect(answer.headers.get("x-amzn-errortype")).toBe("InvalidRequestContentException")
      const { message } = (await answer.json()) as { message: string }
      expect(message).toMatch(/^Could not parse request body into json: /)
      expect((await answerOf(client, name)).calls).toBe(before.calls + 1)
    })

    it("refuses what is too large, and gives it to no worker", inOrder, async () => {
      const { client } = reach()
      const before = await answerOf(client, name)
      const refused = await invoke(client, name, { token: "x".repeat(6 * 1024 * 1024) }).catch((error) => error)
      expect(refused).toMatchObject({
        name: "RequestEntityTooLargeException",
        message: "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        $metadata: { httpStatusCode: 413 }
      })
      expect((await answerOf(client, name)).calls).toBe(before.calls + 1)
    })
  })

/** One program for several ways. It is stopped in order, and what it leaves behind is `left`'s to look at. */
const household = (title: string, ways: ReadonlyArray<Way>, environment: Readonly<Record<string, string>>) =>
  describe.concurrent(title, () => {
    const nothing = ways.every(({ missing }) => missing !== undefined)
    let irori: Awaited<ReturnType<typeof start>>
    let client: LambdaClient

    beforeAll(async () => {
      if (nothing) return
      irori = await start({
        IRORI_FUNCTIONS_DIR: lambdas,
        IRORI_ACCOUNT_ID: account,
        // Whatever the machine has: no way's worker is to make room for another's.
        IRORI_MEMORY_BUDGET: "100000",
        ...environment
      })
      client = lambdaClient(irori.url)
    })
    afterAll(() => client?.destroy())

    for (const way of ways) suite(way, () => ({ irori, client }))

    it.skipIf(nothing)("knows no function that is not there", inOrder, async () => {
      const refused = await invoke(client, "nobody").catch((error) => error)
      expect(refused).toBeInstanceOf(ResourceNotFoundException)
      expect(refused).toMatchObject({
        Type: "User",
        message: `Function not found: ${arn("nobody")}:$LATEST`,
        $metadata: { httpStatusCode: 404 }
      })
    })

    it.skipIf(nothing)("leaves nothing behind when it stops", inOrder, async () => {
      // The client may be in the middle of an upload that was refused, and is not waited for.
      const stopped = await Promise.race([
        irori.stop(),
        new Promise((late) => setTimeout(late, 10_000, "not within 10 s"))
      ])
      expect(stopped).toBe(0)
      expect(await containersOf(irori.stateDir)).toEqual([])
    })
  })

const variables = (prefix: string, images: LambdaImages): Record<string, string> =>
  "missing" in images
    ? {}
    : {
        [prefix]: images.names.working,
        [`${prefix}_BROKEN`]: images.names.broken,
        [`${prefix}_NOWHERE`]: images.names.nowhere
      }

describe("an invocation by AWS's SDK", () => {
  household("with the process provisioner", asProcesses, { IRORI_PROVISIONER: "process" })

  household("with Docker where there is an image", inDocker, {
    IRORI_PROVISIONER: "auto",
    ...("missing" in base ? {} : { IRORI_BASE_IMAGES: `nodejs22.x=${base.name}` }),
    ...variables("NODE_IMAGE", images),
    ...variables("RIC_IMAGE", ric)
  })
})
