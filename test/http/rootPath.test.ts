import { expect, it } from "vitest"
import { clientAddressOf, withClientAddress } from "../../src/http/HttpServer.ts"
import { rawOf, withRaw } from "../../src/http/RawRequest.ts"
import { withoutRoot } from "../../src/http/rootPath.ts"

const served = async (root: string, path: string, init?: RequestInit) => {
  const fetch = withoutRoot(root, (request) =>
    Response.json({ path: new URL(request.url).pathname, raw: rawOf(request), address: clientAddressOf(request) })
  )
  const request = withClientAddress(new Request(`http://localhost:3000${path}`, init), () => "192.0.2.1")
  return (await fetch(request)).json()
}

it.each([
  ["/irori", "/irori/a/b?c=/irori", "/a/b", "/a/b?c=/irori"],
  ["/irori", "/irori", "/", "/"],
  ["/irori", "/irori?a", "/", "/?a"],
  ["/irori", "/irori/", "/", "/"],
  ["/irori", "/iroriX/a", "/iroriX/a", "/iroriX/a"],
  ["/irori", "/a", "/a", "/a"],
  ["/a/b", "/a/b/c", "/c", "/c"],
  ["", "/irori/a", "/irori/a", "/irori/a"]
])("with the root %s, %s is %s", async (root, path, inner, target) => {
  expect(await served(root, path)).toMatchObject({ path: inner, raw: { target }, address: "192.0.2.1" })
})

it("keeps method, body, and how the request was written", async () => {
  const seen: Array<unknown> = []
  const fetch = withoutRoot("/irori", async (request) => {
    seen.push(request.method, await request.text(), rawOf(request))
    return new Response()
  })
  const request = new Request("http://localhost/irori/a", { method: "POST", body: "hi" })
  await fetch(withRaw(request, { target: "/irori//a", fields: [["X-A", "b"]] }))
  expect(seen).toEqual(["POST", "hi", { target: "//a", fields: [["X-A", "b"]], sentTarget: "/irori//a" }])
})
