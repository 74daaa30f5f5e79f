import { deepEqual, equal, match, ok } from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { collect } from "../support/processes.ts";
import { ROOT } from "../support/provision.ts";
import type { Suite } from "../support/suite.ts";
import { ConsumerProject, expectSuccess, PACKAGE_VERSION } from "./consumer-project.ts";

const FIRST_ACK_MS_MAX = 300;
/** One that is quick enough counts: the others tell how busy the machine is. */
const FIRST_ACK_TRIES_MAX = 12;
const LAUNCHER = "node_modules/millrace/bin/millrace.js";

/** Uses all that is exported, with nothing else installed that could bring missing types. */
const TYPED_CONSUMER = `
  import { type LogLine, TestBroker, type TestBrokerOptions, type TestTopic } from "millrace/testing";
  const topic: TestTopic = { name: "a", partitions: 2, configs: { "retention.ms": 1000 } };
  const lines: LogLine[] = [];
  const options: TestBrokerOptions = { port: 0, configs: new Map([["a", true]]), topics: [topic, "b"], log: (line) => lines.push(line) };
  export async function use(): Promise<string> {
    await using broker = await TestBroker.start(options);
    // @ts-expect-error: a port is a number.
    const port: string = broker.port;
    return broker.bootstrapServers + port;
  }
  // @ts-expect-error: no such option.
  void TestBroker.start({ config: {} });
`;

export const packageSuite: Suite = {
  name: "package",
  budgetMinutes: 3,
  what: "the packed package in an empty project: the CLI, the broker in a test's process, its types and its documentation",
  async run(facts, { target }) {
    // There is nothing to compare with.
    if (target === "kafka") return;
    using project = new ConsumerProject();
    const examples = documented().map((code, index) => ({ name: `example-${index}.test.ts`, code }));
    for (const { name, code } of examples) project.write(name, code);
    project.write("typed.ts", TYPED_CONSUMER);
    await project.install(await project.pack(), "kafkajs", "typescript", "vitest", "@types/node");
    await facts.check("npm pack leaves nothing behind in the checkout", async () => {
      ok(!existsSync(join(project.checkout, "dist")), "dist is still there");
    });
    await facts.check("npx millrace starts", async () => {
      const { stdout } = expectSuccess(await project.run("npx", ["millrace", "--version"]));
      equal(stdout.trim(), PACKAGE_VERSION);
    });
    // The bundled Node, and whatever the machine has: where that is older, a process needs nothing newer.
    for (const node of ["node_modules/.bin/node", "node"]) {
      const version = (await project.run(node, ["--version"])).stdout.trim();
      await facts.check(`millrace serve starts from Node ${version}, and SIGTERM ends it`, () => serve(project, node));
      await facts.check(`Node ${version}: first ack under ${FIRST_ACK_MS_MAX} ms from import, nothing left open`, () =>
        firstAck(project, node),
      );
    }
    await facts.check("the examples of docs/TESTBROKER.md pass", async () => {
      const { stdout } = expectSuccess(await project.run("npx", ["vitest", "run"]));
      match(stripVTControlCharacters(stdout), /Tests +3 passed/);
    });
    await facts.check("the types hold with the strictest settings, and with no other types around", async () => {
      const strict = [
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "--module",
        "nodenext",
        "--lib",
        "es2022",
      ];
      expectSuccess(await project.run("npx", ["tsc", ...strict, "--types", "", "typed.ts"]));
      const bundler = ["--module", "esnext", "--moduleResolution", "bundler", "--skipLibCheck"];
      const settings = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,esnext.disposable", ...bundler];
      expectSuccess(
        await project.run("npx", ["tsc", ...settings, "--types", "node", ...examples.map(({ name }) => name)]),
      );
    });
  },
};

/** The blocks of TypeScript in the page. */
function documented(): readonly string[] {
  const page = readFileSync(join(ROOT, "docs/TESTBROKER.md"), "utf8");
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
  equal(blocks.length, 2);
  return blocks.map(([, code = ""]) => code);
}

async function serve(project: ConsumerProject, node: string): Promise<void> {
  const args = [LAUNCHER, "serve", "--kafka", "127.0.0.1:0", "--data-dir", "data"];
  const child = project.spawn(node, args);
  const finished = collect(child, 20_000);
  const ready = once(child.stdout, "data");
  await Promise.race([ready, finished]);
  child.kill("SIGTERM");
  match(expectSuccess(await finished).stdout, /^ready kafka=127\.0\.0\.1:\d+\n$/);
}

async function firstAck(project: ConsumerProject, node: string): Promise<void> {
  const script = "first-ack.mjs";
  copyFileSync(join(ROOT, "test/testing", script), join(project.directory, script));
  const figures: number[] = [];
  do {
    const finished = expectSuccess(await project.run(node, ["--no-warnings", script], 15_000));
    equal(finished.stderr, "");
    const { firstAckMs, importMs, startMs, node: version, ...said } = JSON.parse(finished.stdout);
    console.log(`     Node ${version}: first ack after ${firstAckMs} ms (import ${importMs} ms, start ${startMs} ms)`);
    deepEqual(said, { errorCode: 0, records: 241, warnings: [] });
    figures.push(firstAckMs);
  } while (Math.min(...figures) >= FIRST_ACK_MS_MAX && figures.length < FIRST_ACK_TRIES_MAX);
  ok(Math.min(...figures) < FIRST_ACK_MS_MAX, `${figures.join(", ")} ms`);
}
