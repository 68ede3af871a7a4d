import { describe, expect, it } from "vitest"
import { CodeImage } from "../src/domain/FunctionConfig.ts"
import { FunctionName } from "../src/domain/FunctionName.ts"
import { type Greeting, greeting } from "../src/greeting.ts"
import { httpApi, lenientApi, restApi, route } from "./routing/apis.ts"
import { functionConfig } from "./support/functions.ts"

const about: Greeting = {
  url: "http://127.0.0.1:3000",
  role: "all",
  docs: true,
  needsKey: false,
  functionsDir: "functions",
  functions: []
}
const asProcess = { provisioner: "process", why: "Docker is not here", howToChange: "install Docker" } as const
const inDocker = { provisioner: "docker", why: "its code is an image", howToChange: "give it code" } as const
const echo = functionConfig({ name: FunctionName.make("echo") })
const image = functionConfig({ name: FunctionName.make("image"), code: new CodeImage({ uri: "mine:1" }) })

describe("greeting", () => {
  it("says each reason once, with the functions it holds for", () => {
    const functions = [
      { config: functionConfig(), placement: asProcess },
      { config: echo, placement: asProcess },
      { config: image, placement: inDocker }
    ]
    expect(greeting({ ...about, functions })).toEqual([
      "Irori listens on http://127.0.0.1:3000, and explains itself at http://127.0.0.1:3000/docs.",
      "Functions in functions:",
      "  hello  nodejs22.x      process",
      "  echo   nodejs22.x      process",
      "  image  mine:1          docker",
      "As processes of this machine (hello, echo): Docker is not here.",
      "  To change it: install Docker.",
      "In containers (image): its code is an image.",
      "  To change it: give it code.",
      "Try it:",
      `  curl http://127.0.0.1:3000/2015-03-31/functions/echo/invocations -d '{"hello":"world"}'`
    ])
  })

  it("tells functions of the folder from those made through the API", () => {
    const functions = [{ config: echo }, { config: image, isStored: true }]
    expect(greeting({ ...about, functions }).slice(1, 5)).toEqual([
      "Functions in functions:",
      "  echo  nodejs22.x",
      "Functions made through the API:",
      "  image  mine:1"
    ])
  })

  it("says what to do where there are no functions", () => {
    expect(greeting(about)[1]).toMatch(/put a folder with an index\.mjs there, or set IRORI_FUNCTIONS_DIR/)
  })

  it.each([
    [[lenientApi(["POST /a", "GET /hello/{name}/{rest+}"])], "  curl http://127.0.0.1:3000/hello/name/rest"],
    [[restApi(["GET /a"], { mounts: ["stage"] })], "  curl http://127.0.0.1:3000/prod/a"],
    [[httpApi(["ANY $default"]), httpApi(["GET /b"])], "  curl http://127.0.0.1:3000/b"],
    [[restApi([route("GET /a", { authorizer: "mine" })])], undefined]
  ])("shows a route that can be tried as it is", (apis, line) => {
    const lines = greeting({ ...about, functions: [{ config: echo }], apis })
    expect(lines.find((text) => /^ {2}curl(?!.*2015)/.test(text))).toBe(line)
  })

  it("gives callers that need a key a command that sends it", () => {
    const lines = greeting({ ...about, needsKey: true, functions: [{ config: echo }] })
    expect(lines.at(-1)).toContain('-H "x-api-key: $IRORI_API_KEY"')
  })
})
