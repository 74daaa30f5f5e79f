import type { Reporter, TestModule } from "vitest/node";

/** Prints `N passed, N failed` as the run's last line, so that a script need not know Vitest to read the result. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      const states = [...module.children.allTests()].map((test) => test.result().state);
      const failedHere = states.filter((state) => state === "failed").length;
      passed += states.filter((state) => state === "passed").length;
      // A module that does not load, or whose hooks fail, fails without a failed test; it would count as nothing at all.
      failed += module.state() === "failed" ? Math.max(1, failedHere) : failedHere;
    }
    // The default reporter writes its summary after ours; the next tick puts this line below it.
    process.once("exit", () => process.stdout.write(`${passed} passed, ${failed} failed\n`));
  }
}
