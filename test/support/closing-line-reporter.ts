import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** Of an error's stack: enough to see where it came from. */
const STACK_LINES_MAX = 12;

/**
 * Prints `N passed, N failed` as the run's last line, so that a script need not know Vitest to read the result, and above
 * it once more what has failed: who has only the end of a long log finds the cause in it.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const failures = [...modules.flatMap(failuresIn), ...unhandledErrors.map(unhandled)];
    const passed = modules.flatMap((module) => [...module.children.allTests("passed")]).length;
    // The default reporter writes its summary after ours; the next tick puts these lines below it.
    process.once("exit", (status) => {
      // Errors of Vitest's own, such as one while it closes, come after the end of the tests and stand above this.
      if (status !== 0 && failures.length === 0)
        failures.push(`the run ended with status ${status}, but nothing failed`);
      const told = failures.map((failure) => `FAIL ${failure}\n`).join("");
      process.stdout.write(`${told}${passed} passed, ${failures.length} failed\n`);
    });
  }
}

/** A module that does not load, whose hooks fail or that never ended fails without a failed test; it counts as one. */
function failuresIn(module: TestModule): readonly string[] {
  const tests = [...module.children.allTests("failed")].map(
    (test) => `${module.relativeModuleId} > ${test.fullName}\n${texts(test.result().errors ?? [])}`,
  );
  const suites = [...module.children.allSuites()].filter((suite) => suite.errors().length > 0);
  const around = [
    ...suites.map(
      (suite) => `${module.relativeModuleId} > ${suite.fullName}, outside its tests\n${texts(suite.errors())}`,
    ),
    ...(module.errors().length > 0 ? [`${module.relativeModuleId}, outside its tests\n${texts(module.errors())}`] : []),
  ];
  const state = module.state();
  if (tests.length > 0 || around.length > 0) return [...tests, ...around];
  return state === "passed" || state === "skipped" ? [] : [`${module.relativeModuleId} is ${state}`];
}

function unhandled(error: SerializedError): string {
  const { type, VITEST_TEST_PATH: path, VITEST_TEST_NAME: name } = error;
  const during = [path, name].filter((each) => each !== undefined).join(" > ");
  return `${type ?? "Unhandled Error"}${during === "" ? "" : ` during ${during}`}\n${texts([error])}`;
}

function texts(errors: readonly SerializedError[]): string {
  return errors
    .map(({ name, message, stack, cause }) => {
      const [head, ...frames] = (stack ?? "").split("\n    at ");
      const own = head === "" || head === undefined ? `${name ?? "Error"}: ${message}` : head;
      const ours = frames.filter((frame) => !/\/node_modules\/(vitest|vite)\/|<anonymous>/.test(frame));
      const shown = [own, ...ours.slice(0, STACK_LINES_MAX)].join("\n    at ");
      return cause === undefined ? shown : `${shown}\n  caused by ${texts([cause])}`;
    })
    .join("\n");
}
