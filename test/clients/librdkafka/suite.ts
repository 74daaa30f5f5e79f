import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { testsToRun } from "../support/allow-list.ts";
import { Broker } from "../support/broker.ts";
import { KAFKA_VERSION } from "../support/java.ts";
import { lastLines, type RunOptions, run } from "../support/processes.ts";
import { CACHE } from "../support/provision.ts";
import { type Facts, SkippedError, type Suite } from "../support/suite.ts";
import { BY_KIP_848, FULL_LENGTH, LIBRDKAFKA_TESTS, NIGHTLY_ONLY } from "./allow-list.ts";

// An npm package that carries librdkafka's whole source tree with its tests.
const CARRIER = "@confluentinc/kafka-javascript";
const CARRIER_VERSION = "1.10.1";
const TREE = join(CACHE, "librdkafka", CARRIER_VERSION);
const BUILD_TIMEOUT_MS = 7 * 60_000;
const TEST_TIMEOUT_MS = 180_000;
/** Most of their time the tests wait for timers of the client. */
const TESTS_AT_A_TIME = 2;

const BROKER_CONFIGS = {
  // Many tests write to partitions up to 3 of a topic that the broker makes by itself.
  "num.partitions": "4",
  // Some tests expect that two consumers who start together share the first round.
  "group.initial.rebalance.delay.ms": "500",
  // Members by KIP-848 learn of a new assignment by their heartbeat, every five seconds unless told.
  "group.consumer.min.heartbeat.interval.ms": "1000",
  "group.consumer.heartbeat.interval.ms": "1000",
};

export const librdkafkaSuite: Suite = {
  name: "librdkafka",
  budgetMinutes: 8,
  nightlyBudgetMinutes: 12,
  what: "librdkafka's own test suite, all that runs against a broker without TLS and transactions",
  async run(facts, { target, isNightly }) {
    await provideTests();
    await using broker = await Broker.start(target, { configs: BROKER_CONFIGS });
    writeFileSync(join(broker.directory, "test.conf"), `bootstrap.servers=${broker.address}\n`);
    const tests = testsToRun(LIBRDKAFKA_TESTS).filter((test) => isNightly || !NIGHTLY_ONLY.has(test));
    const waiting = tests.map((test): TestRun => ({ test, protocol: "classic", broker }));
    if (isNightly) waiting.push(...BY_KIP_848.map((test): TestRun => ({ test, protocol: "consumer", broker })));
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await check(facts, next);
    };
    await Promise.all(Array.from({ length: TESTS_AT_A_TIME }, work));
  },
};

interface TestRun {
  /** As in the list: the test's name, and perhaps a subtest's. */
  readonly test: string;
  /** Of its consumers with a group. */
  readonly protocol: "classic" | "consumer";
  readonly broker: Broker;
}

async function check(facts: Facts, testRun: TestRun): Promise<void> {
  const fact = testRun.protocol === "classic" ? testRun.test : `${testRun.test} by KIP-848`;
  await facts.check(fact, async () => await runTest(testRun));
}

async function runTest({ test, protocol, broker }: TestRun): Promise<void> {
  const source = join(TREE, "package/deps/librdkafka");
  const libraries = `${join(source, "src")}:${join(source, "src-cpp")}`;
  const [name = "", subtest] = test.split(" ");
  const env = {
    LD_LIBRARY_PATH: libraries,
    DYLD_LIBRARY_PATH: libraries,
    RDKAFKA_TEST_CONF: join(broker.directory, "test.conf"),
    TEST_KAFKA_VERSION: KAFKA_VERSION,
    TESTS: name.slice(0, 4),
    TEST_CONSUMER_GROUP_PROTOCOL: protocol,
    // A subtest is known by its function, a colon and the line.
    ...(subtest === undefined ? {} : { SUBTESTS: `${subtest}:` }),
  };
  // Without replaced sockets, without tests that need no broker, one at a time.
  const options = [...(FULL_LENGTH.has(test) ? [] : ["-Q"]), "-E", "-L", "-p1"];
  const finished = await run(join(source, "tests/test-runner"), options, {
    env,
    cwd: broker.directory,
    timeoutMs: TEST_TIMEOUT_MS,
  });
  const output = stripVTControlCharacters(finished.stdout + finished.stderr);
  // A test that skips itself ends with status 0 too, and a subtest that is not there is not missed.
  const passed = new RegExp(`^\\| ${name} +\\| +PASSED `, "m").test(output);
  const isThere = subtest === undefined || output.includes(`[ ${subtest}:`);
  if (finished.code !== 0 || !passed || !isThere) throw new Error(reasonIn(output));
}

/** What the runner says at the first failed assertion, else its last words. */
function reasonIn(output: string): string {
  const lines = output.split("\n");
  const at = lines.findIndex((line) => line.startsWith("### Test "));
  return at < 0 ? lastLines(output) : lines.slice(at, at + 2).join(" | ");
}

/** Fetches the package's archive, without its install scripts, and builds the library and the tests, once. */
async function provideTests(): Promise<void> {
  if (existsSync(TREE)) return;
  for (const tool of ["gcc", "g++", "make", "python3"]) {
    if ((await run(tool, ["--version"])).code !== 0) throw new SkippedError(`no ${tool} on this machine`);
  }
  const partial = `${TREE}.partial-${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const source = join(partial, "package/deps/librdkafka");
  const jobs = `-j${availableParallelism()}`;
  await build("npm", ["pack", "--silent", `${CARRIER}@${CARRIER_VERSION}`], { cwd: partial });
  const archive = `${CARRIER.slice(1).replace("/", "-")}-${CARRIER_VERSION}.tgz`;
  await build("tar", ["-xzf", archive], { cwd: partial });
  await build("bash", ["./configure", "--disable-gssapi", "--disable-curl"], { cwd: source });
  await build("make", [jobs, "libs"], { cwd: source });
  await build("make", [jobs, "test-runner"], { cwd: join(source, "tests") });
  renameSync(partial, TREE);
}

async function build(command: string, args: readonly string[], options: RunOptions): Promise<void> {
  const built = await run(command, args, { ...options, timeoutMs: BUILD_TIMEOUT_MS });
  if (built.code === 0) return;
  const said = lastLines(built.stdout + built.stderr);
  throw new SkippedError(`librdkafka's tests cannot be built: ${command} ${args.join(" ")}: ${said}`);
}
