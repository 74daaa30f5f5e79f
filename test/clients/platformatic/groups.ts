import { equal } from "node:assert/strict";
import {
  type Admin,
  Consumer,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
import type { Broker } from "../support/broker.ts";
import type { Facts } from "../support/suite.ts";
import { eventually, newTopic } from "../support/topics.ts";

// Groups as @platformatic/kafka speaks them, in both protocols.

const PARTITIONS = 4;

interface GroupMember extends AsyncDisposable {
  readonly consumer: Consumer<string, string, string, string>;
  readonly seen: string[];
}

export async function checkGroups(facts: Facts, broker: Broker, admin: Admin): Promise<void> {
  for (const groupProtocol of ["classic", "consumer"] as const) {
    const topic = await newTopic(broker, `platformatic-${groupProtocol}`, { partitions: PARTITIONS });
    const groupId = `platformatic-${groupProtocol}`;
    const join = (): Promise<GroupMember> => joinGroup(broker, { topic, groupId, groupProtocol });
    await facts.check(`${groupProtocol}: two members share the partitions and read every record`, async () => {
      await produce(broker, topic, 100);
      await using one = await join();
      await using other = await join();
      await eventually("both have partitions", async () => isShared([one, other]), 20_000);
      await produce(broker, topic, 100);
      await eventually("all records", async () => hasWhole([...one.seen, ...other.seen], 200), 20_000);
    });
    await facts.check(`${groupProtocol}: the next member goes on where the group has come to`, async () => {
      await using member = await join();
      await produce(broker, topic, 8);
      await eventually("the new records", async () => member.seen.length >= 8, 20_000);
      equal(new Set(member.seen).size, 8);
    });
    await facts.check(`${groupProtocol}: listGroups and deleteGroups know the group`, async () => {
      const typeOf = async (): Promise<string | undefined> =>
        (await admin.listGroups({ types: ["classic", "consumer"] })).get(groupId)?.groupType;
      equal(await typeOf(), groupProtocol);
      await admin.deleteGroups({ groups: [groupId] });
      equal(await typeOf(), undefined);
    });
    await facts.check(`${groupProtocol}: no stream ends in an error when a member joins amid records`, () =>
      checkJoinAmidRecords(broker, groupProtocol),
    );
  }
}

async function checkJoinAmidRecords(broker: Broker, groupProtocol: "classic" | "consumer"): Promise<void> {
  const groupId = `platformatic-amid-${groupProtocol}`;
  const topic = await newTopic(broker, groupId, { partitions: PARTITIONS });
  await using _ = produceOn(broker, topic);
  await using one = await joinGroup(broker, { topic, groupId, groupProtocol });
  await eventually("one member has all", async () => isShared([one]), 20_000);
  await using other = await joinGroup(broker, { topic, groupId, groupProtocol });
  await eventually("both have partitions", async () => isShared([one, other]), 20_000);
  // What it gave up it may still hold records of, and commits them.
  const before = one.seen.length;
  await eventually("the first one goes on", async () => one.seen.length > before + 200, 20_000);
}

/** Whether so many records came, and no offset is missing. There may be more: this client's producer sends again what failed for some. */
function hasWhole(seen: readonly string[], count: number): boolean {
  const distinct = new Set(seen);
  if (distinct.size < count) return false;
  return [...distinct].every((each) => {
    const [partition, offset] = each.split(" ");
    return offset === "0" || distinct.has(`${partition} ${Number(offset) - 1}`);
  });
}

function isShared(members: readonly GroupMember[]): boolean {
  const owned = members.map(({ consumer }) => (consumer.assignments ?? []).flatMap(({ partitions }) => partitions));
  return owned.every(({ length }) => length > 0) && owned.flat().length === PARTITIONS;
}

async function joinGroup(
  broker: Broker,
  options: { readonly topic: string; readonly groupId: string; readonly groupProtocol: "classic" | "consumer" },
): Promise<GroupMember> {
  const { topic, groupId, groupProtocol } = options;
  const consumer = new Consumer({
    clientId: "platformatic",
    bootstrapBrokers: [broker.address],
    groupId,
    groupProtocol,
    ...(groupProtocol === "classic" ? { sessionTimeout: 10_000, heartbeatInterval: 500 } : {}),
    maxWaitTime: 200,
    deserializers: stringDeserializers,
    autocommit: true,
  });
  const seen: string[] = [];
  const stream = await consumer.consume({ topics: [topic], mode: "committed", fallbackMode: "earliest" });
  stream.on("data", ({ partition, offset }: Message<string, string, string, string>) => {
    seen.push(`${partition} ${offset}`);
  });
  return {
    consumer,
    seen,
    async [Symbol.asyncDispose]() {
      await stream.close();
      await consumer.close(true);
    },
  };
}

/** Produces until its scope ends. */
function produceOn(broker: Broker, topic: string): AsyncDisposable {
  const stop = new AbortController();
  const done = (async () => {
    while (!stop.signal.aborted) await produce(broker, topic, 40);
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

async function produce(broker: Broker, topic: string, count: number): Promise<void> {
  const producer = new Producer({
    clientId: "platformatic",
    bootstrapBrokers: [broker.address],
    serializers: stringSerializers,
  });
  try {
    const messages = Array.from({ length: count }, (_, i) => ({
      topic,
      partition: i % PARTITIONS,
      key: "",
      value: `value ${i}`,
    }));
    await producer.send({ messages });
  } finally {
    await producer.close();
  }
}
