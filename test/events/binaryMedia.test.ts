import { expect, it } from "vitest"
import { isTextMedia } from "../../src/events/binaryMedia.ts"

it.each([
  ["text/plain", true],
  ["text/html; charset=iso-8859-1", true],
  ["TEXT/CSV", true],
  ["application/json", true],
  [" application/json;charset=utf-8", true],
  ["application/xml", true],
  ["application/javascript", true],
  ["application/vnd.api+json", false],
  ["application/x-www-form-urlencoded", false],
  ["multipart/form-data; boundary=x", false],
  ["application/octet-stream", false],
  ["image/svg+xml", false],
  ["", false],
  [undefined, false]
])("%s is text: %s", (contentType, expected) => {
  expect(isTextMedia(contentType)).toBe(expected)
})
