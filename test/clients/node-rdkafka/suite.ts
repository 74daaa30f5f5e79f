import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { testsToRun } from "../support/allow-list.ts";
import { Broker } from "../support/broker.ts";
import { lastLines, run } from "../support/processes.ts";
import { CACHE, ROOT } from "../support/provision.ts";
import { SkippedError, type Suite } from "../support/suite.ts";
import { createTopic } from "../support/topics.ts";
import { NODE_RDKAFKA_TESTS } from "./allow-list.ts";

const VERSION = "3.6.1";
const MOCHA_VERSION = "10.8.2";
// An addon loads only in a Node that numbers its binary interface as the one does that it was compiled for.
const PREFIX = join(CACHE, "npm", `node-rdkafka-${VERSION}-abi${process.versions.modules}`);
const BUILD_TIMEOUT_MS = 9 * 60_000;
const TEST_TIMEOUT_MS = 90_000;
const SPECS: readonly string[] = ["producer", "admin", "consumer", "both", "groups"].map(
  (name) => `e2e/${name}.spec.js`,
);
/** All tests produce to this topic and read it, and expect it there with one partition. */
const TOPIC = "test";
/** Some tests produce half a second after they have subscribed, and read from the end on. */
const BROKER_CONFIGS = { "group.initial.rebalance.delay.ms": "0" };

export const nodeRdkafkaSuite: Suite = {
  name: "node-rdkafka",
  budgetMinutes: 10,
  // It compiles librdkafka a second time, for tests that librdkafka's own suite covers but for the addon around it.
  isNightlyOnly: true,
  what: "the end-to-end tests that node-rdkafka carries, all but those of transactions",
  async run(facts, { target }) {
    await provideTests();
    await using broker = await Broker.start(target, { configs: BROKER_CONFIGS });
    await createTopic(broker, TOPIC);
    for (const test of testsToRun(NODE_RDKAFKA_TESTS)) {
      await facts.check(test, async () => await runTest(test, broker));
    }
  },
};

async function runTest(title: string, broker: Broker): Promise<void> {
  const directory = join(PREFIX, "node_modules/node-rdkafka");
  const mocha = join(PREFIX, "node_modules/mocha/bin/mocha.js");
  const exactly = `^${title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`;
  const options = ["--exit", "--timeout", `${TEST_TIMEOUT_MS / 2}`, "--reporter", "tap", "--grep", exactly];
  const finished = await run(process.execPath, [mocha, ...options, ...SPECS], {
    env: { KAFKA_HOST: broker.address },
    cwd: directory,
    timeoutMs: TEST_TIMEOUT_MS,
  });
  const output = finished.stdout + finished.stderr;
  // After a test has passed, the client may wait forever for its own end, on any broker (FINDINGS.md).
  const isOnlyStuck = /^not ok \d+ .*"after each" hook/m.test(output) && /^# fail 1$/m.test(output);
  if (!/^# pass 1$/m.test(output) || (finished.code !== 0 && !isOnlyStuck)) throw new Error(lastLines(output));
}

/** Compiles the addon against the headers of the Node that runs this, which its npm package brings along, once. */
async function provideTests(): Promise<void> {
  if (existsSync(PREFIX)) return;
  for (const tool of ["gcc", "g++", "make", "python3"]) {
    if ((await run(tool, ["--version"])).code !== 0) throw new SkippedError(`no ${tool} on this machine`);
  }
  const modules = join(ROOT, "node_modules");
  const node = readdirSync(modules).find((name) => existsSync(join(modules, name, "include/node/node.h")));
  if (node === undefined) throw new SkippedError("no headers of Node beside its program");
  const partial = `${PREFIX}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const packages = [`node-rdkafka@${VERSION}`, `mocha@${MOCHA_VERSION}`];
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", partial, ...packages];
  // One job: its Makefile asks for librdkafka's config.h without saying who makes it, so a second job looks too early.
  const env = { npm_config_nodedir: join(modules, node), JOBS: "1" };
  const built = await run("npm", args, { env, cwd: partial, timeoutMs: BUILD_TIMEOUT_MS });
  if (built.code !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new SkippedError(`npm cannot build node-rdkafka@${VERSION}: ${reasonIn(built.stderr)}`);
  }
  renameSync(partial, PREFIX);
}

/** The first line in which make or the compiler complains; npm's own last words only name versions. */
function reasonIn(output: string): string {
  return output.split("\n").find((line) => / \*\*\* | error: /.test(line)) ?? lastLines(output);
}
