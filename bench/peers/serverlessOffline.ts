/** serverless-offline, the last version that runs without an account at its maker's. */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort, installFolder, type Peer, runProgram, startServer } from "./Peer.ts"

const packages = ["serverless@3.40.0", "serverless-offline@13.9.0"]

const settings = `service: bench
frameworkVersion: "3"
provider: { name: aws, runtime: nodejs20.x, region: us-east-1, stage: dev }
plugins: [serverless-offline]
functions:
  echo: { handler: index.handler }
`

export const serverlessOffline: Peer = {
  name: "serverless-offline 13.9.0",
  start: async () => {
    const folder = installFolder("serverless-offline")
    writeFileSync(join(folder, "serverless.yml"), settings)
    writeFileSync(join(folder, "index.js"), "exports.handler = async (event) => event\n")
    if (!existsSync(join(folder, "node_modules/serverless-offline"))) {
      writeFileSync(join(folder, "package.json"), '{ "private": true }\n')
      const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", ...packages]
      const trouble = await runProgram("npm", args, folder)
      if (trouble !== undefined) return { skipped: `npm could not install it: ${trouble.failed}` }
    }
    const [http, lambda] = [freePort(), freePort()]
    const ports = ["--httpPort", String(http), "--lambdaPort", String(lambda)]
    const program = join(folder, "node_modules/serverless/bin/serverless.js")
    return startServer("node", [program, "offline", "start", ...ports], {
      cwd: folder,
      url: `http://127.0.0.1:${lambda}/2015-03-31/functions/bench-dev-echo/invocations`,
      environment: { SLS_TELEMETRY_DISABLED: "1", SLS_NOTIFICATIONS_MODE: "off" }
    })
  }
}
