import { Kafka } from "kafkajs";
import { expect, test, vi } from "vitest";
import { TestBroker } from "#lib/testing.ts";

test("two workers share the orders, and the group remembers that all are done", async () => {
  await using broker = await TestBroker.start({ topics: [{ name: "orders", partitions: 4 }] });
  const kafka = new Kafka({ brokers: [broker.bootstrapServers] });
  const done: string[] = [];
  const startWorker = async () => {
    const worker = kafka.consumer({ groupId: "workers", heartbeatInterval: 100, maxWaitTimeInMs: 50 });
    await worker.connect();
    await worker.subscribe({ topic: "orders", fromBeginning: true });
    await worker.run({ eachMessage: async ({ message }) => void done.push(String(message.value)) });
    return worker;
  };
  const workers = [await startWorker(), await startWorker()];

  const admin = kafka.admin();
  await admin.connect();
  await vi.waitFor(async () => {
    const { groups } = await admin.describeGroups(["workers"]);
    expect(groups[0]).toMatchObject({ state: "Stable", members: [{}, {}] });
  }, 10_000);

  const producer = kafka.producer();
  await producer.connect();
  const orders = Array.from({ length: 20 }, (_, n) => ({ key: `customer ${n}`, value: `order ${n}` }));
  await producer.send({ topic: "orders", messages: orders });
  await producer.disconnect();
  await vi.waitFor(() => expect(new Set(done).size).toBe(20), 10_000);

  // A worker that stops commits what it has done.
  await Promise.all(workers.map((worker) => worker.disconnect()));
  const [orderOffsets] = await admin.fetchOffsets({ groupId: "workers", topics: ["orders"] });
  await admin.disconnect();
  const committed = orderOffsets?.partitions.map(({ offset }) => Math.max(0, Number(offset))) ?? [];
  expect(committed.reduce((sum, offset) => sum + offset, 0)).toBe(20);
}, 30_000);
