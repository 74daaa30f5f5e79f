import { Kafka } from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestBroker } from "#lib/testing.ts";

let broker: TestBroker;
let kafka: Kafka;

beforeAll(async () => {
  broker = await TestBroker.start({ topics: [{ name: "orders", partitions: 3 }] });
  kafka = new Kafka({ brokers: [broker.bootstrapServers] });
});

afterAll(() => broker.stop());

test("every order becomes one record, in the partition of its customer", async () => {
  const producer = kafka.producer();
  await producer.connect();
  const orders = ["book", "lamp", "pen"].map((value) => ({ key: "alice", value }));
  await producer.send({ topic: "orders", messages: orders });
  await producer.disconnect();

  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets("orders");
  await admin.disconnect();
  expect(ends.map(({ high }) => Number(high)).sort()).toEqual([0, 0, 3]);
});

test("a topic that nobody has created takes no record if the broker is told so", async () => {
  await using strict = await TestBroker.start({ configs: { "auto.create.topics.enable": false } });
  const client = new Kafka({ brokers: [strict.bootstrapServers], retry: { retries: 0 } });
  const producer = client.producer();
  await producer.connect();
  await expect(producer.send({ topic: "nowhere", messages: [{ value: "lost" }] })).rejects.toThrow();
  await producer.disconnect();
});
