import { afterAll, beforeAll, describe, expect, onTestFailed, onTestFinished, test } from "vitest";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { hasDynamoDb, hasS3 } from "../../adapters/aws/emulator.ts";
import { BucketCluster, STORES, untilTopic } from "./bucket-cluster.ts";
import { Traffic } from "./traffic.ts";

const PARTITIONS = STORES;
const SOME = 5;
/** `broker.session.timeout.ms`. */
const SESSION_MS = 9_000;
/** Of an orderly end nobody has to wait for the silence. */
const AT_ONCE_MS = 8_000;
/** A preferred leader that is back takes over within ten seconds; the rest is for a machine that is busy. */
const BACK_MS_MAX = 20_000;

describe.runIf(hasS3 && hasDynamoDb)("a gateway whose task is replaced", () => {
  const opened = new AsyncDisposableStack();
  let cluster: BucketCluster;
  let client: KafkaClient;

  beforeAll(async () => {
    cluster = opened.use(await BucketCluster.start());
    client = opened.use(cluster.client());
  });

  afterAll(() => opened.disposeAsync());

  const ledBy = (topic: string, brokerId: number, is: "some" | "none", msMax: number): Promise<number> =>
    untilTopic(client, topic, {
      is: ({ partitions }) => partitions.some(({ leaderId }) => leaderId === brokerId) === (is === "some"),
      msMax,
    });

  test("as ECS does it, with SIGTERM first, leaves at once and leads again at once", async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.createTopic(client, "drained", PARTITIONS);
    await using traffic = new Traffic({ newClient: () => cluster.client(), topic: "drained", partitions: PARTITIONS });
    await ledBy("drained", 1, "some", BACK_MS_MAX);
    await traffic.goesOn(SOME, BACK_MS_MAX);
    traffic.longestPauseMs();

    expect((await cluster.end(1, "SIGTERM")).code).toBe(0);
    await ledBy("drained", 1, "none", AT_ONCE_MS);
    await traffic.goesOn(SOME, AT_ONCE_MS);
    await cluster.gateway(1).ready();
    const backMs = await ledBy("drained", 1, "some", BACK_MS_MAX);
    await traffic.goesOn(SOME, BACK_MS_MAX);
    const pauseMs = traffic.longestPauseMs();
    await traffic.finish(BACK_MS_MAX);
    console.log(`drained: longest pause ${pauseMs.toFixed()} ms, leads again ${backMs.toFixed()} ms after ready`);
    expect(pauseMs).toBeLessThan(SESSION_MS);
  });

  test("after kill -9 with a successor at once serves on, before its session is over", async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.createTopic(client, "succeeded", PARTITIONS);
    await using traffic = new Traffic({
      newClient: () => cluster.client(),
      topic: "succeeded",
      partitions: PARTITIONS,
    });
    await ledBy("succeeded", 2, "some", BACK_MS_MAX);
    await traffic.goesOn(SOME, BACK_MS_MAX);
    traffic.longestPauseMs();

    await cluster.end(2, "SIGKILL");
    const successor = cluster.gateway(2);
    await successor.ready();
    await traffic.goesOn(SOME, BACK_MS_MAX);
    const pauseMs = traffic.longestPauseMs();
    // It has the id for itself when the dead one has been silent for its session, and does not give up before.
    await successor.logged('"msg":"registered"');
    await traffic.goesOn(SOME, BACK_MS_MAX);
    await traffic.finish(BACK_MS_MAX);
    console.log(`succeeded: longest pause ${pauseMs.toFixed()} ms`);
    expect(pauseMs).toBeLessThan(SESSION_MS);
  });

  test("after kill -9 without a successor leaves its partitions to others, and gets them back", async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.createTopic(client, "orphaned", PARTITIONS);
    await using traffic = new Traffic({ newClient: () => cluster.client(), topic: "orphaned", partitions: PARTITIONS });
    await ledBy("orphaned", 2, "some", BACK_MS_MAX);
    await traffic.goesOn(SOME, BACK_MS_MAX);
    traffic.longestPauseMs();

    await cluster.end(2, "SIGKILL");
    await ledBy("orphaned", 2, "none", SESSION_MS + BACK_MS_MAX);
    await traffic.goesOn(SOME, AT_ONCE_MS);
    const pauseMs = traffic.longestPauseMs();
    await cluster.gateway(2).ready();
    const backMs = await ledBy("orphaned", 2, "some", BACK_MS_MAX);
    await traffic.finish(BACK_MS_MAX);
    console.log(`orphaned: longest pause ${pauseMs.toFixed()} ms, leads again ${backMs.toFixed()} ms after ready`);
    expect(pauseMs).toBeLessThan(SESSION_MS + BACK_MS_MAX);
  });

  test("does not take the place of one that is alive: it says so and ends", async () => {
    const second = cluster.spawn(0, { isSecond: true });
    // Also when it does not end, and this test is given up.
    onTestFinished(() => second[Symbol.asyncDispose]());
    const { code, stderr } = await second.ended;
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/broker id 0 is registered/) });
    expect(cluster.gateway(0).child.exitCode).toBeNull();
  });
});
