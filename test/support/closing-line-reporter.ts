import type { Reporter, TestModule } from "vitest/node";

/** Prints `N passed, N failed` as the run's last line, so that a script need not know Vitest to read the result. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    // A module that does not even load runs no test; without this it would count as nothing at all.
    let failed = unhandledErrors.length;
    for (const module of modules) {
      if (module.state() === "failed" && module.children.size === 0) failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        if (state === "failed") failed += 1;
      }
    }
    // The default reporter writes its summary after ours; the next tick puts this line below it.
    process.once("exit", () => process.stdout.write(`${passed} passed, ${failed} failed\n`));
  }
}
