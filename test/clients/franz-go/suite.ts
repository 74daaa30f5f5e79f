import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testsToRun } from "../support/allow-list.ts";
import { Broker } from "../support/broker.ts";
import { lastLines, run } from "../support/processes.ts";
import { CACHE, ROOT } from "../support/provision.ts";
import { SkippedError, type Suite } from "../support/suite.ts";
import { KGO_TESTS } from "./allow-list.ts";

const MODULE = "github.com/twmb/franz-go";
const DIRECTORY = join(ROOT, "test/clients/franz-go");
const BUILD_TIMEOUT_MS = 8 * 60_000;
/** TestGroupETL takes half a minute on two cores: three stages of groups in six ways at once, both protocols among them. */
const TEST_TIMEOUT_MS = 150_000;
/** Of the tests with groups; half a million unless told. */
const GROUP_RECORDS = "20000";

/** These skip their KIP-848 half until something in the same process has asked for the broker's versions: so twice. */
const NEEDS_VERSIONS: ReadonlySet<string> = new Set(["TestGroupSimple"]);

export const franzGoSuite: Suite = {
  name: "franz-go",
  budgetMinutes: 5,
  what: "franz-go's own tests of its client kgo, groups in both protocols included",
  async run(facts, { target }) {
    const program = await provideTests();
    await using broker = await Broker.start(target);
    for (const test of testsToRun(KGO_TESTS)) {
      await facts.check(test, async () => await runTest(program, test, broker));
    }
  },
};

async function runTest(program: string, test: string, broker: Broker): Promise<void> {
  // One broker, so one replica; the tests ask for three unless told.
  const env = { KGO_SEEDS: broker.address, KGO_TEST_RF: "1", KGO_LOG_LEVEL: "none", KGO_TEST_RECORDS: GROUP_RECORDS };
  const count = NEEDS_VERSIONS.has(test) ? "2" : "1";
  const args = ["-test.v", "-test.count", count, "-test.run", `^${test}$`, "-test.timeout", `${TEST_TIMEOUT_MS}ms`];
  const finished = await run(program, args, { env, cwd: tmpdir(), timeoutMs: TEST_TIMEOUT_MS + 5_000 });
  const output = finished.stdout + finished.stderr;
  // A test that skips itself, or one protocol of two, ends well too, and so does a run that found no test of this name.
  const named = [...output.matchAll(/^ *--- SKIP: (\S+) /gm)].map(([, name]) => name);
  const isDone = [test, ...named].every((name) => output.includes(`--- PASS: ${name} (`));
  if (finished.code !== 0 || !isDone) throw new Error(reasonIn(output));
}

/** The first line in which a test complains, among many that only tell, and the last words. */
function reasonIn(output: string): string {
  const complaint = output
    .split("\n")
    .find((line) => /_test\.go:\d+: .*\b(err|error|errs|unable|unexpected|panic)\b/.test(line));
  return [complaint?.trim() ?? "", lastLines(output)].join(" | ");
}

/** Builds the test program of the version that go.mod requires, once. Answers its path. */
async function provideTests(): Promise<string> {
  const required = readFileSync(join(DIRECTORY, "go.mod"), "utf8");
  const version = required.match(/github\.com\/twmb\/franz-go (v[\d.]+)/)?.[1];
  if (version === undefined) throw new Error(`go.mod requires no ${MODULE}`);
  const program = join(CACHE, "franz-go", `kgo-${version}.test`);
  if (existsSync(program)) return program;
  if ((await run("go", ["version"])).code !== 0) throw new SkippedError("no go on this machine");
  mkdirSync(join(CACHE, "franz-go"), { recursive: true });
  const partial = `${program}.partial-${process.pid}`;
  const args = ["test", "-mod=readonly", "-vet=off", "-c", "-o", partial, `${MODULE}/pkg/kgo`];
  const built = await run("go", args, { cwd: DIRECTORY, timeoutMs: BUILD_TIMEOUT_MS });
  if (built.code !== 0) throw new SkippedError(`go cannot build the tests: ${lastLines(built.stderr)}`);
  renameSync(partial, program);
  return program;
}
