import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // Inside Bun, vitest's worker threads work and its forks do not.
    pool: "threads",
    // Most of the time goes by waiting for containers and processes to come and go, not in the tests.
    maxWorkers: 2,
    // Real engines and processes keep real time, and a shared machine may stand still for a moment: what fails twice is
    // broken. A second try is said in the report.
    retry: 1,
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 60_000
  }
})
