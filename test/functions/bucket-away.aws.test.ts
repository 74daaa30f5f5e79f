import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { awsVariables } from "../localstack/cloud.ts";
import { FaultProxy } from "../localstack/faults/proxy.ts";
import type { FaultRule } from "../localstack/faults/rules.ts";
import { ServeProcess } from "../serve/serve-process.ts";
import { offsetsIn, produce, sleep, values } from "./door-calls.ts";
import { DeployedFunctions, type FunctionEnvironmentUnderTest } from "./environments.ts";

// One of three buckets answers no request of any function, or none in time. Nobody but the functions is there: no broker runs.

/** Too large for a journal's record. */
const LARGE = "x".repeat(100_000);
const STORES = [0, 1, 2];
/** A request that hangs is given up after five seconds, and a cold reader may meet several one after the other. */
const ANSWERED_MS_MAX = 20_000;
const RUNS_MAX = 8;
/** After so many a journal is due for a snapshot. */
const SNAPSHOT_RECORDS = 256;

const OUTAGES = [
  { how: "refuses", rule: { fault: "refuse", code: "InternalError" } },
  { how: "hangs", rule: { fault: "hang" } },
  { how: "is slow", rule: { fault: "delay", delayMs: 2_000 } },
] as const satisfies readonly { readonly how: string; readonly rule: FaultRule }[];

describe("functions whose first bucket is away", () => {
  const opened = new AsyncDisposableStack();
  let deployed: DeployedFunctions;
  let proxy: FaultProxy;

  beforeAll(async () => {
    deployed = opened.use(await DeployedFunctions.make("away"));
    proxy = opened.use(await FaultProxy.start({ target: deployed.endpoint }));
  });

  afterAll(() => opened.disposeAsync());

  const environment = (name: "produce" | "fetch" | "housekeeper"): FunctionEnvironmentUnderTest =>
    deployed.environment(name, { variables: { AWS_ENDPOINT_URL_S3: proxy.url } });

  const takeAway = (rule: FaultRule, ...storeIds: readonly number[]): void =>
    proxy.set(...storeIds.map((id) => ({ ...rule, match: `^[A-Z]+ /${deployed.table}-${id}[/?]` })));

  /** A broker on the same table and buckets. */
  const startBroker = (): ServeProcess => {
    const stores = STORES.flatMap((id) => ["--store", `s3://${deployed.table}-${id}?endpoint=${proxy.url}`]);
    const place = [...stores, "--journal", `dynamodb://${deployed.table}?endpoint=${deployed.endpoint}`];
    const command = [process.execPath, "bin/millrace.ts", "serve", "--kafka", "127.0.0.1:0", ...place];
    return new ServeProcess(command, awsVariables(deployed.endpoint));
  };

  /** Calls the housekeeper as a person would who does not wait for the schedule, until its log holds `text`. */
  async function keepHouse(keeper: FunctionEnvironmentUnderTest, text: string): Promise<void> {
    for (let run = 0; run < RUNS_MAX; run++) {
      expect(await keeper.scheduled({ force: true })).toMatchObject({ kind: "ran" });
      if (keeper.lambda.log.includes(text)) return;
      await sleep(1_000);
    }
    throw new Error(`nothing came of ${RUNS_MAX} runs: ${keeper.lambda.log}`);
  }

  test.each(OUTAGES)("which $how: warm and cold ones acknowledge and read all the same", async ({ how, rule }) => {
    const topic = how.replace(" ", "-");
    await using warm = environment("produce");
    expect((await produce(warm, topic, `0 ${LARGE}`)).status).toBe(200);
    takeAway(rule, 0);
    await using cold = environment("produce");
    for (const [at, door] of [warm, cold, warm, cold].entries()) {
      const startedAtMs = performance.now();
      const answer = await produce(door, topic, `${at + 1} ${LARGE}`);
      expect({ status: answer.status, offsets: offsetsIn(answer) }).toEqual({ status: 200, offsets: [at + 1] });
      expect(performance.now() - startedAtMs).toBeLessThan(ANSWERED_MS_MAX);
    }
    await using reader = environment("fetch");
    const startedAtMs = performance.now();
    const read = await values(reader, topic);
    expect(read.map((value) => String(value).slice(0, 1))).toEqual(["0", "1", "2", "3", "4"]);
    expect(performance.now() - startedAtMs).toBeLessThan(ANSWERED_MS_MAX);
    proxy.clear();
  });

  test("which hangs, and holds a snapshot: cold functions and a starting broker take it from another one", async () => {
    await using door = environment("produce");
    await using keeper = environment("housekeeper");
    for (let at = 0; at < SNAPSHOT_RECORDS; at++) expect((await produce(door, "snapshot", at)).status).toBe(200);
    const copies = proxy.add({ match: "^PUT /[^/]+/journals/", fault: "delay" });
    await keeper.scheduled({ force: true });
    expect(copies.hits).toBeGreaterThanOrEqual(2);

    takeAway({ fault: "hang" }, 0);
    const startedAtMs = performance.now();
    await using reader = environment("fetch");
    expect(await values(reader, "snapshot")).toHaveLength(SNAPSHOT_RECORDS);
    const readAtMs = performance.now();
    await using broker = startBroker();
    await broker.ready();
    const readyAtMs = performance.now();
    console.log(`cold read ${readAtMs - startedAtMs} ms, broker ready ${readyAtMs - readAtMs} ms`);
    expect(Math.max(readAtMs - startedAtMs, readyAtMs - readAtMs)).toBeLessThan(ANSWERED_MS_MAX);
    proxy.clear();
  });

  test("the housekeeper takes it out of the ISR, and makes it whole before it counts again", async () => {
    const topic = "repaired";
    await using door = environment("produce");
    await using keeper = environment("housekeeper");
    expect((await produce(door, topic, `0 ${LARGE}`)).status).toBe(200);
    takeAway({ fault: "refuse", code: "InternalError" }, 0);
    for (let at = 1; at < 4; at++) expect((await produce(door, topic, `${at} ${LARGE}`)).status).toBe(200);
    await keepHouse(keeper, '"isr":"1,2","before":"0,1,2"');
    expect((await produce(door, topic, `4 ${LARGE}`)).status).toBe(200);

    proxy.clear();
    await keepHouse(keeper, '"isr":"0,1,2","before":"1,2"');
    // It has all of it by itself now.
    takeAway({ fault: "refuse", code: "InternalError" }, 1, 2);
    await using reader = environment("fetch");
    const read = await values(reader, topic);
    expect(read.map((value) => String(value).slice(0, 1))).toEqual(["0", "1", "2", "3", "4"]);
    proxy.clear();
  });

  test("where the last broker has stopped, the housekeeper names nobody as leader", async () => {
    await using door = environment("produce");
    await using keeper = environment("housekeeper");
    await using broker = startBroker();
    await broker.ready();
    expect((await produce(door, "left", `0 ${LARGE}`)).status).toBe(200);
    expect(await keeper.scheduled({ force: true })).toMatchObject({ kind: "ran" });
    expect(keeper.lambda.log).not.toContain('"leader":-1');
    expect((await broker.stop()).code).toBe(0);
    await keepHouse(keeper, '"leader":-1');
    expect((await produce(door, "left", `1 ${LARGE}`)).status).toBe(200);
  });
});
