import { defineConfig } from "vitest/config";

// Ports are injected everywhere, so no test needs a module registry of its own: `isolate: false` saves a process each.
const shared = { isolate: false, testTimeout: 20_000, hookTimeout: 20_000 };

export default defineConfig({
  test: {
    reporters: ["default", "./test/support/closing-line-reporter.ts"],
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.sim.test.ts", "test/clients/**"],
        },
      },
      { test: { ...shared, name: "simulation", include: ["test/**/*.sim.test.ts"] } },
    ],
  },
});
