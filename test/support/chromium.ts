/** A real browser for the tests that need one; without Chromium on the machine they skip, and say so. */
import { existsSync } from "node:fs"
import { type Browser, chromium } from "playwright-core"

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path)
)

export const hasChromium = executablePath !== undefined

if (!hasChromium) console.warn("No Chromium on this machine: the tests in a browser are skipped.")

/** To be closed by the caller. */
export const startChromium = (): Promise<Browser> =>
  chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })
