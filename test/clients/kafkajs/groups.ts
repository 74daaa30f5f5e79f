import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Admin, Consumer, Kafka } from "kafkajs";
import type { Facts } from "../support/suite.ts";
import { eventually } from "../support/topics.ts";

// Groups of the classic protocol, as kafkajs speaks it.

const PARTITIONS = 4;

interface GroupMember {
  readonly consumer: Consumer;
  /** Partition and offset of each record that came. */
  readonly seen: string[];
  /** Partitions that it was given, each time anew. */
  readonly assigned: number[][];
}

export async function checkGroups(facts: Facts, kafka: Kafka, admin: Admin): Promise<void> {
  const topic = "kafkajs-groups";
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }] });
  await produce(kafka, topic, 100);
  await facts.check("two members of a group share the partitions, and read every record once", async () => {
    const [one, other] = [await join(kafka, topic, "shared"), await join(kafka, topic, "shared")];
    try {
      await eventually("both have partitions", async () => isShared([one, other]));
      await eventually("all records", async () => one.seen.length + other.seen.length >= 100);
      equal(new Set([...one.seen, ...other.seen]).size, 100);
      const { groups } = await admin.describeGroups(["shared"]);
      deepEqual([groups[0]?.state, groups[0]?.members.length], ["Stable", 2]);
    } finally {
      await Promise.all([one.consumer.disconnect(), other.consumer.disconnect()]);
    }
  });
  await facts.check("what a group has committed is where its next member begins", async () => {
    await produce(kafka, topic, 8);
    const member = await join(kafka, topic, "shared");
    try {
      await eventually("the new records", async () => member.seen.length >= 8);
      equal(member.seen.length, 8);
      deepEqual(member.assigned.at(-1), [0, 1, 2, 3]);
    } finally {
      await member.consumer.disconnect();
    }
    const offsets = await admin.fetchOffsets({ groupId: "shared", topics: [topic] });
    const sum = offsets[0]?.partitions.reduce((total, { offset }) => total + Number(offset), 0);
    equal(sum, 108);
  });
  await facts.check("a member that leaves hands its partitions to the others", async () => {
    const [one, other] = [await join(kafka, topic, "leavers"), await join(kafka, topic, "leavers")];
    try {
      await eventually("both have partitions", async () => isShared([one, other]));
      await other.consumer.disconnect();
      await eventually("all partitions", async () => one.assigned.at(-1)?.length === PARTITIONS);
    } finally {
      await one.consumer.disconnect();
    }
  });
  await checkGroupAdmin(facts, topic, admin);
}

async function checkGroupAdmin(facts: Facts, topic: string, admin: Admin): Promise<void> {
  await facts.check("listGroups and describeGroups name the group without members", async () => {
    const { groups } = await admin.listGroups();
    ok(groups.some(({ groupId, protocolType }) => groupId === "shared" && protocolType === "consumer"));
    const described = await admin.describeGroups(["shared", "nobody"]);
    deepEqual(described.groups.map(({ groupId, state }) => `${groupId} ${state}`).toSorted(), [
      "nobody Dead",
      "shared Empty",
    ]);
  });
  await facts.check("setOffsets and resetOffsets move a group without members", async () => {
    await admin.setOffsets({ groupId: "shared", topic, partitions: [{ partition: 2, offset: "3" }] });
    const read = async (): Promise<unknown> => {
      const [found] = await admin.fetchOffsets({ groupId: "shared", topics: [topic] });
      return found?.partitions.find(({ partition }) => partition === 2)?.offset;
    };
    equal(await read(), "3");
    await admin.resetOffsets({ groupId: "shared", topic, earliest: true });
    equal(await read(), "-2");
  });
  await facts.check("deleteGroups forgets a group and its offsets, and knows no other", async () => {
    await admin.deleteGroups(["shared"]);
    const [found] = await admin.fetchOffsets({ groupId: "shared", topics: [topic] });
    deepEqual(
      found?.partitions.map(({ offset }) => offset),
      ["-1", "-1", "-1", "-1"],
    );
    await rejects(admin.deleteGroups(["shared"]), (error: { groups?: readonly { error?: { type?: string } }[] }) => {
      equal(error.groups?.[0]?.error?.type, "GROUP_ID_NOT_FOUND");
      return true;
    });
  });
}

function isShared(members: readonly GroupMember[]): boolean {
  const owned = members.map(({ assigned }) => assigned.at(-1) ?? []);
  return owned.every(({ length }) => length > 0) && owned.flat().length === PARTITIONS;
}

async function join(kafka: Kafka, topic: string, groupId: string): Promise<GroupMember> {
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    maxWaitTimeInMs: 200,
    retry: { initialRetryTime: 50, retries: 5 },
  });
  const seen: string[] = [];
  const assigned: number[][] = [];
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    assigned.push((payload.memberAssignment[topic] ?? []).toSorted());
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      seen.push(`${partition} ${message.offset}`);
    },
  });
  return { consumer, seen, assigned };
}

async function produce(kafka: Kafka, topic: string, count: number): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  const messages = Array.from({ length: count }, (_, i) => ({ partition: i % PARTITIONS, value: `value ${i}` }));
  await producer.send({ topic, messages });
  await producer.disconnect();
}
