import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testsToRun } from "../support/allow-list.ts";
import { Broker } from "../support/broker.ts";
import { lastLines, run } from "../support/processes.ts";
import { CACHE, ROOT } from "../support/provision.ts";
import { SkippedError, type Suite } from "../support/suite.ts";
import { KGO_PARTS, KGO_TESTS, type TestPart } from "./allow-list.ts";

const MODULE = "github.com/twmb/franz-go";
const DIRECTORY = join(ROOT, "test/clients/franz-go");
const BUILD_TIMEOUT_MS = 8 * 60_000;
/** TestGroupETL takes half a minute on two idle cores, and ten times as long where much else runs. */
const TEST_TIMEOUT_MS = 300_000;
/** Of the tests with groups; half a million unless told. */
const GROUP_RECORDS = "20000";

/** Chains of groups: who waits three seconds for more members at each of its starts checks nothing more. */
const BROKER_CONFIGS = { "group.initial.rebalance.delay.ms": "0" };

/** These skip their KIP-848 half until something in the same process has asked for the broker's versions: so twice. */
const NEEDS_VERSIONS: ReadonlySet<string> = new Set(["TestGroupSimple"]);

export const franzGoSuite: Suite = {
  name: "franz-go",
  budgetMinutes: 5,
  nightlyBudgetMinutes: 6,
  what: "franz-go's own tests of its client kgo, groups in both protocols included",
  async run(facts, { target, isNightly }) {
    const program = await provideTests();
    await using broker = await Broker.start(target, { configs: BROKER_CONFIGS });
    for (const test of testsToRun(KGO_TESTS)) {
      const whole: TestPart = { pattern: `^${test}$`, subtests: [] };
      for (const part of KGO_PARTS[test] ?? [whole]) {
        if (part.isNightlyOnly && !isNightly) continue;
        const fact = [test, ...(part.subtests.length === 0 ? [] : [part.subtests.join(", ")])].join(": ");
        await facts.check(fact, async () => await runTest({ program, test, part, broker }));
      }
    }
  },
};

interface Run {
  readonly program: string;
  readonly test: string;
  readonly part: TestPart;
  readonly broker: Broker;
}

async function runTest({ program, test, part, broker }: Run): Promise<void> {
  // One broker, so one replica; the tests ask for three unless told.
  const env = { KGO_SEEDS: broker.address, KGO_TEST_RF: "1", KGO_LOG_LEVEL: "none", KGO_TEST_RECORDS: GROUP_RECORDS };
  const count = NEEDS_VERSIONS.has(test) ? "2" : "1";
  const args = ["-test.v", "-test.count", count, "-test.run", part.pattern, "-test.timeout", `${TEST_TIMEOUT_MS}ms`];
  const finished = await run(program, args, { env, cwd: tmpdir(), timeoutMs: TEST_TIMEOUT_MS + 5_000 });
  const output = finished.stdout + finished.stderr;
  // A test that skips itself, or one protocol of two, ends well too, and so does a run that found no test of this name.
  const skipped = [...output.matchAll(/^ *--- SKIP: (\S+) /gm)].map(([, name]) => name);
  const named = [test, ...part.subtests.map((subtest) => `${test}/${subtest}`), ...skipped];
  const isDone = named.every((name) => output.includes(`--- PASS: ${name} (`));
  // A chain of groups gives up its checks, and passes, if a commit comes too late: Kafka 4.3 refuses none (KIP-1251).
  const gaveUp = output.includes("skipping validation");
  if (finished.code !== 0 || !isDone || gaveUp) throw new Error(reasonIn(output));
}

/** The first line in which a test complains, among many that only tell, and the last words. */
function reasonIn(output: string): string {
  const complaint = output
    .split("\n")
    .find((line) =>
      /(_test\.go:\d+|sendErr group=\S+): .*\b(err|error|errs|unable|unexpected|panic|stale|double)\b/.test(line),
    );
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
