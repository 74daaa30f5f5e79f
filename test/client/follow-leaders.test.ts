import { expect, test } from "vitest";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { listOffsets, oneTopic } from "#lib/client/topic-metadata.ts";
import { TopicProducer } from "#lib/client/topic-producer.ts";
import { readTopic } from "#lib/client/topic-reader.ts";
import { ListOffsetsTimestamp } from "#lib/protocol/messages/list-offsets.ts";
import { BrokerCluster } from "../broker/broker-cluster.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const signal = new AbortController().signal;

test("our client goes with the leaders, also when the broker that it was given is gone", async () => {
  await using cluster = await BrokerCluster.start(3);
  await cluster.createTopic("t", 2);
  await cluster.elect(0, "t", 0);
  await cluster.elect(1, "t", 1);
  await cluster.catchUpAll();
  const { port } = cluster.broker(0).memory;
  await using client = new KafkaClient({
    bootstrap: [{ host: "127.0.0.1", port }],
    clientId: "c",
    clock: new SystemClock(),
    random: new SeededRandom(1),
  });
  const retries: string[] = [];
  const options = { timeoutMs: 10_000, signal, onRetry: (error: Error) => retries.push(error.message) };
  const producing = { topic: "t", acks: -1, isIdempotent: true, codec: "none", ...options } as const;
  const producer = await TopicProducer.open(client, producing);
  const appendBoth = async (value: string) => {
    for (const index of [0, 1]) {
      void producer.append({ timestampMs: 1, key: null, value: Buffer.from(`${value}-${index}`) }, index);
    }
    await producer.flush();
  };
  await appendBoth("first");
  expect(retries).toEqual([]);
  await cluster.elect(2, "t", 1);
  await cluster.catchUpAll();
  await appendBoth("second");
  expect(retries).toHaveLength(1);
  expect(retries[0]).toContain("NOT_LEADER_OR_FOLLOWER");
  const before = await oneTopic(client, "t", { timeoutMs: 0, signal });
  await cluster.kill(0);
  await cluster.catchUpAll();
  await appendBoth("third");
  const ends = await listOffsets(client, before, { indexes: [0, 1], timestamp: ListOffsetsTimestamp.LATEST }, signal);
  expect([...ends]).toEqual([
    [0, 3],
    [1, 3],
  ]);
  const topic = await oneTopic(client, "t", { timeoutMs: 0, signal });
  expect(topic.partitions.map(({ leaderId }) => leaderId)).toEqual([1, 2]);
  const positions = new Map([0, 1].map((index) => [index, { next: 0, end: 3 }]));
  const read: string[] = [];
  for await (const records of readTopic(client, topic, { positions, ...options })) {
    for (const { record } of records) read.push(Buffer.from(record.value ?? []).toString());
  }
  expect(read.toSorted()).toEqual(["first-0", "first-1", "second-0", "second-1", "third-0", "third-1"]);
});
