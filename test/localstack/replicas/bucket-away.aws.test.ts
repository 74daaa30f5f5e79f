import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { hasDynamoDb, hasS3 } from "../../adapters/aws/emulator.ts";
import { readAll } from "../../serve/kafka-calls.ts";
import { BucketCluster, type Outage, STORES, untilTopic } from "./bucket-cluster.ts";
import { Traffic } from "./traffic.ts";

const PARTITIONS = 3;
/** Acknowledgements of each partition that show that it goes on. */
const SOME = 5;
/** A request that hangs is given up after five seconds; the rest is for a machine that is busy. */
const GOES_ON_MS_MAX = 20_000;
const NOTICED_MS_MAX = 30_000;
/** A store is proved, listed and filled up before it counts again. */
const WHOLE_MS_MAX = 60_000;

/** Shorter than what a request may take, longer than acknowledgements do that wait for another bucket. */
const SLOW_MS = 4_000;

const OUTAGES: readonly (readonly [string, Outage])[] = [
  ["refuses", { fault: "refuse", code: "InternalError" }],
  ["hangs at", { fault: "hang" }],
];

describe.runIf(hasS3 && hasDynamoDb)("three gateways on three buckets", () => {
  const opened = new AsyncDisposableStack();
  let cluster: BucketCluster;
  let client: KafkaClient;

  beforeAll(async () => {
    cluster = opened.use(await BucketCluster.start());
    client = opened.use(cluster.client());
  });

  afterAll(() => opened.disposeAsync());

  test.each(OUTAGES)(
    "a bucket that %s every request costs no record, and is whole when it is back",
    async (name, outage) => {
      onTestFailed(() => console.log(cluster.logs()));
      const topic = name.replaceAll(" ", "-");
      const lost = OUTAGES.findIndex(([each]) => each === name);
      await cluster.createTopic(client, topic, PARTITIONS);
      await using traffic = new Traffic({ newClient: () => cluster.client(), topic, partitions: PARTITIONS });
      await traffic.goesOn(SOME, GOES_ON_MS_MAX);
      traffic.longestPauseMs();

      cluster.takeAway(new Map([[lost, outage]]));
      await traffic.goesOn(SOME, GOES_ON_MS_MAX);
      // Each partition has a replica in each bucket.
      const shrunkMs = await untilTopic(client, topic, {
        is: ({ partitions }) => partitions.every(({ isr }) => isr.length === STORES - 1),
        msMax: NOTICED_MS_MAX,
      });
      const pauseMs = traffic.longestPauseMs();
      expect(pauseMs).toBeLessThan(GOES_ON_MS_MAX);

      // A process that starts meanwhile finds what it needs in the other buckets.
      const restarted = (lost + 1) % STORES;
      await cluster.end(restarted, "SIGTERM");
      await cluster.gateway(restarted).ready();
      await traffic.goesOn(SOME, GOES_ON_MS_MAX);

      cluster.takeAway(new Map());
      const wholeMs = await untilWhole(topic);
      await traffic.finish(GOES_ON_MS_MAX);
      console.log(
        `${name}: longest pause ${pauseMs.toFixed()} ms, out of the ISR after ${shrunkMs.toFixed()} ms, back after ${wholeMs.toFixed()} ms`,
      );

      // The consumer has held their order against their numbers.
      const read = await readFrom(lost, topic);
      expect(read.map(({ length }) => length)).toEqual(traffic.acknowledged);
      await untilWhole(topic);
    },
  );

  test("a bucket that is slow at every request holds up no acknowledgement", async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const [topic, slow] = ["slow", 2];
    await cluster.createTopic(client, topic, PARTITIONS);
    await using traffic = new Traffic({ newClient: () => cluster.client(), topic, partitions: PARTITIONS });
    await traffic.goesOn(SOME, GOES_ON_MS_MAX);
    traffic.longestPauseMs();
    cluster.takeAway(new Map([[slow, { fault: "delay", delayMs: SLOW_MS }]]));
    await traffic.goesOn(4 * SOME, GOES_ON_MS_MAX);
    const pauseMs = traffic.longestPauseMs();
    console.log(`slow by ${SLOW_MS} ms: longest pause ${pauseMs.toFixed()} ms`);
    expect(pauseMs).toBeLessThan(SLOW_MS);
    cluster.takeAway(new Map());
    await traffic.finish(GOES_ON_MS_MAX);
    await untilWhole(topic);
  });

  const untilWhole = (topic: string): Promise<number> =>
    untilTopic(client, topic, {
      is: ({ partitions }) => partitions.every(({ isr }) => isr.length === STORES),
      msMax: WHOLE_MS_MAX,
    });

  /** By a process that has nothing in memory, from one bucket alone. */
  async function readFrom(storeId: number, topic: string): Promise<readonly (readonly string[])[]> {
    await cluster.end(storeId, "SIGKILL");
    const others = Array.from({ length: STORES }, (_, id) => id).filter((id) => id !== storeId);
    cluster.takeAway(new Map(others.map((id) => [id, { fault: "refuse", code: "SlowDown" }])));
    const connection = await cluster.gateway(storeId).connect();
    try {
      const read: (readonly string[])[] = [];
      for (let partition = 0; partition < PARTITIONS; partition++)
        read.push(await readAll(connection, topic, partition));
      return read;
    } finally {
      await connection.close();
      cluster.takeAway(new Map());
    }
  }
});
