import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    // Inside Bun, vitest's worker threads work and its forks do not.
    pool: "threads",
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 60_000
  }
})
