import { defineConfig } from "vitest/config";

// Ports are injected everywhere, so no test needs a module registry of its own: `isolate: false` saves a process each.
// The times are for what hangs: on a machine that is busy with other work the slowest tests take twenty seconds.
const shared = { isolate: false, testTimeout: 60_000, hookTimeout: 60_000, expect: { poll: { timeout: 10_000 } } };

export default defineConfig({
  test: {
    reporters: ["default", "./test/support/closing-line-reporter.ts"],
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.sim.test.ts", "test/**/*.aws.test.ts", "test/clients/**"],
        },
      },
      { test: { ...shared, name: "simulation", include: ["test/**/*.sim.test.ts"] } },
      // Against the services at AWS_ENDPOINT_URL: not part of `npm test`.
      {
        test: {
          ...shared,
          name: "localstack",
          include: ["test/**/*.aws.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
