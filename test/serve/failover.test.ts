import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { LockedError, ProcessLock } from "#lib/adapters/local/process-lock.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { oneTopic } from "#lib/client/topic-metadata.ts";
import { TopicProducer } from "#lib/client/topic-producer.ts";
import { readTopic } from "#lib/client/topic-reader.ts";
import { eventually } from "./eventually.ts";
import { createTopic } from "./kafka-calls.ts";
import { ServeProcess, TemporaryDirectory } from "./serve-process.ts";

/** Several processes start one after the other, on a machine that may do other things as well. */
const SLOWLY = { timeout: 120_000 };
const PARTITIONS = 6;
const VICTIM = 1;
const SESSION_MS = 2_000;
/** For the fence, the election, the client's next look, and a slow machine. */
const FAILOVER_MS_MAX = SESSION_MS + 15_000;
const NEVER = new AbortController().signal;

const STARTED = [
  ...["--brokers", "3", "--stores", "3", "--broker-config", "broker.heartbeat.interval.ms=500"],
  ...["--broker-config", `broker.session.timeout.ms=${SESSION_MS}`],
];

async function openClient(cluster: ServeProcess): Promise<KafkaClient> {
  const bootstrap = (await cluster.ready()).map((address) => {
    const { hostname: host, port } = new URL(`kafka://${address}`);
    return { host, port: Number(port) };
  });
  return new KafkaClient({ bootstrap, clientId: "test", clock: new SystemClock(), random: new SystemRandom() });
}

/** As long as this is held, broker 1 cannot start again. */
async function holdBroker(directory: TemporaryDirectory): Promise<ProcessLock> {
  for (;;) {
    try {
      return ProcessLock.acquire(directory.path, VICTIM);
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      await sleep(20);
    }
  }
}

async function leadersOf(client: KafkaClient): Promise<readonly number[]> {
  const topic = await oneTopic(client, "t", { timeoutMs: 5_000, signal: NEVER });
  return topic.partitions.map(({ leaderId }) => leaderId);
}

async function readBack(client: KafkaClient, partition: number, end: number): Promise<readonly string[]> {
  const topic = await oneTopic(client, "t", { timeoutMs: 5_000, signal: NEVER });
  const positions = new Map([[partition, { next: 0, end }]]);
  const values: string[] = [];
  for await (const records of readTopic(client, topic, { positions, timeoutMs: 10_000, signal: NEVER })) {
    values.push(...records.map(({ record }) => Buffer.from(record.value ?? []).toString()));
  }
  return values;
}

test(
  "what a killed broker led goes on at others, loses and doubles nothing, and comes back to it",
  SLOWLY,
  async () => {
    using directory = new TemporaryDirectory();
    await using cluster = await ServeProcess.start({ dataDir: directory.path, args: STARTED });
    {
      await using connection = await cluster.connect();
      await createTopic(connection, "t", PARTITIONS);
    }
    await using client = await openClient(cluster);
    const before = await leadersOf(client);
    expect(before).toEqual([0, 1, 2, 0, 1, 2]);
    const producer = await TopicProducer.open(client, {
      ...{ topic: "t", acks: -1, isIdempotent: true, codec: "none" },
      ...{ timeoutMs: 30_000, signal: NEVER },
    });
    let count = 0;
    /** One record for each partition, all acknowledged. */
    const round = async (): Promise<void> => {
      const value = Buffer.from(String(count++));
      for (let partition = 0; partition < PARTITIONS; partition++) {
        void producer.append({ timestampMs: Date.now(), key: null, value, headers: [] }, partition);
      }
      await producer.flush();
    };
    for (let at = 0; at < 20; at++) await round();
    process.kill(Number(readFileSync(directory.file(`broker-${VICTIM}.pid`), "latin1")), "SIGKILL");
    const killedAt = performance.now();
    {
      using _held = await holdBroker(directory);
      for (let at = 0; at < 20; at++) await round();
      expect(performance.now() - killedAt).toBeLessThan(FAILOVER_MS_MAX);
      expect(await leadersOf(client)).not.toContain(VICTIM);
    }
    await eventually(
      () => leadersOf(client),
      (leaders) => leaders.join() === before.join(),
    );
    for (let at = 0; at < 20; at++) await round();
    const expected = Array.from({ length: count }, (_, at) => String(at));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      expect(await readBack(client, partition, count)).toEqual(expected);
    }
    expect((await cluster.stop()).code).toBe(0);
  },
);
