import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import {
  Admin,
  ConfigResourceTypes,
  ListOffsetTimestamps,
  ProduceAcks,
  Producer,
  stringSerializers,
} from "@platformatic/kafka";
import { Broker } from "../support/broker.ts";
import { readTopic } from "../support/reader.ts";
import type { Facts, Suite } from "../support/suite.ts";
import { eventually, newTopic } from "../support/topics.ts";
import { checkGroups } from "./groups.ts";
import { checkVersions } from "./version-facts.ts";

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
const [SET, DELETE, APPEND] = [0, 1, 2] as const;

export const platformaticSuite: Suite = {
  name: "platformatic",
  budgetMinutes: 2,
  what: "@platformatic/kafka: every codec and version it speaks, admin, groups, fetch sessions",
  async run(facts, { target }) {
    await using broker = await Broker.start(target);
    const admin = new Admin({ clientId: "platformatic", bootstrapBrokers: [broker.address], retries: 3 });
    try {
      await checkAdmin(facts, admin);
      await checkConfigs(facts, admin);
      await checkProducers(facts, broker);
      await checkOffsets(facts, broker, admin);
      await checkVersions(facts, broker);
      await checkGroups(facts, broker, admin);
    } finally {
      await admin.close();
    }
  },
};

/** The names of Kafka's error codes anywhere below an error of this client. */
function errorIds(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  const own = "apiId" in error && typeof error.apiId === "string" ? [error.apiId] : [];
  const below = error instanceof AggregateError ? error.errors.flatMap(errorIds) : [];
  return [...own, ...below, ...errorIds(error.cause)];
}

async function failsWith(id: string, promise: Promise<unknown>): Promise<void> {
  await rejects(promise, (error) => {
    deepEqual([...new Set(errorIds(error))], [id]);
    return true;
  });
}

async function checkAdmin(facts: Facts, admin: Admin): Promise<void> {
  const topic = "platformatic-topics";
  await facts.check("createTopics answers id, partitions and configs, and metadata shows the same id", async () => {
    const configs = [{ name: "retention.ms", value: "7777777" }];
    const [created] = await admin.createTopics({ topics: [topic], partitions: 3, replicas: 1, configs });
    equal(created?.partitions, 3);
    equal(created?.replicas, 1);
    equal(created?.configuration["retention.ms"], "7777777");
    await eventually("the topic is known", async () => (await admin.listTopics()).includes(topic));
    const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
    equal(metadata.topics.get(topic)?.id, created?.id);
    equal(metadata.topics.get(topic)?.partitionsCount, 3);
  });
  await facts.check("createTopics of an existing topic is TOPIC_ALREADY_EXISTS", async () => {
    await failsWith("TOPIC_ALREADY_EXISTS", admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }));
  });
  await facts.check("createPartitions adds partitions and refuses to take any away", async () => {
    await admin.createPartitions({ topics: [{ name: topic, count: 4, assignments: null }] });
    await eventually("four partitions", async () => {
      const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
      return metadata.topics.get(topic)?.partitionsCount === 4;
    });
    await failsWith("INVALID_PARTITIONS", admin.createPartitions({ topics: [{ name: topic, count: 2 }] }));
    await failsWith("UNKNOWN_TOPIC_OR_PARTITION", admin.createPartitions({ topics: [{ name: "nowhere", count: 2 }] }));
  });
  await facts.check("deleteTopics frees the name, and a topic of that name gets another id", async () => {
    const create = (): Promise<{ id: string }[]> =>
      admin.createTopics({ topics: ["platformatic-again"], partitions: 1, replicas: 1 });
    const [first] = await create();
    await admin.deleteTopics({ topics: ["platformatic-again"] });
    await eventually("gone", async () => !(await admin.listTopics()).includes("platformatic-again"));
    const [second] = await create();
    ok(first !== undefined && second !== undefined && first.id !== second.id);
    await failsWith("UNKNOWN_TOPIC_OR_PARTITION", admin.deleteTopics({ topics: ["nowhere"] }));
  });
}

async function checkConfigs(facts: Facts, admin: Admin): Promise<void> {
  const topic = "platformatic-configs";
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic } as const;
  const read = async (key: string): Promise<string | null | undefined> => {
    const [described] = await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: [key] }] });
    deepEqual(
      described?.configs.map((one) => one.name),
      [key],
    );
    return described?.configs[0]?.value;
  };
  const becomes = (key: string, value: string): Promise<void> =>
    eventually(`${key}=${value}`, async () => (await read(key)) === value);
  await facts.check("incrementalAlterConfigs sets, appends to a list and deletes back to the default", async () => {
    const alter = (name: string, configOperation: 0 | 2, value: string): Promise<void> =>
      admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [{ name, configOperation, value }] }] });
    await alter("retention.ms", SET, "86400000");
    await becomes("retention.ms", "86400000");
    await alter("cleanup.policy", APPEND, "compact");
    await becomes("cleanup.policy", "delete,compact");
    const configs = [{ name: "retention.ms", configOperation: DELETE }];
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs }] });
    await becomes("retention.ms", "604800000");
    await failsWith("INVALID_CONFIG", alter("max.message.bytes", SET, "-5"));
    await failsWith("INVALID_CONFIG", alter("no.such.config", SET, "1"));
    equal(await read("max.message.bytes"), "1048588");
  });
  await facts.check("describeConfigs of the broker answers what it was asked for", async () => {
    const metadata = await admin.metadata({ topics: [] });
    const id = String([...metadata.brokers.keys()][0]);
    const asked = { resourceType: ConfigResourceTypes.BROKER, resourceName: id, configurationKeys: ["num.partitions"] };
    const [described] = await admin.describeConfigs({ resources: [asked] });
    deepEqual(
      described?.configs.map(({ name, value }) => ({ name, value })),
      [{ name: "num.partitions", value: "1" }],
    );
  });
}

async function checkProducers(facts: Facts, broker: Broker): Promise<void> {
  for (const compression of CODECS) {
    await facts.check(
      `an idempotent producer in ${compression}: 1,000 records over 3 partitions keep their order`,
      async () => {
        const topic = await newTopic(broker, `platformatic-${compression}`, { partitions: 3 });
        await using producer = newProducer(broker);
        for (let from = 0; from < 1_000; from += 100) {
          const messages = Array.from({ length: 100 }, (_, i) => ({
            topic,
            partition: (from + i) % 3,
            key: `key ${from + i}`,
            value: `value ${from + i}`,
            headers: { number: String(from + i) },
            timestamp: BigInt(1_700_000_000_000 + from + i),
          }));
          await producer.send({ messages, compression });
        }
        const partitions = await readTopic(broker.address, topic);
        const expected = [0, 1, 2].map((partition) =>
          Array.from({ length: partition === 0 ? 334 : 333 }, (_, offset) => {
            const i = offset * 3 + partition;
            const headers = [["number", String(i)]];
            return { offset, key: `key ${i}`, value: `value ${i}`, headers, timestampMs: 1_700_000_000_000 + i };
          }),
        );
        deepEqual(partitions, expected);
      },
    );
  }
  await facts.check("a producer that asks for one acknowledgement or none still delivers", async () => {
    const topic = await newTopic(broker, "platformatic-acks");
    const producer = new Producer({
      clientId: "platformatic",
      bootstrapBrokers: [broker.address],
      serializers: stringSerializers,
    });
    await producer.send({ messages: [{ topic, partition: 0, value: "one" }], acks: ProduceAcks.LEADER });
    await producer.send({ messages: [{ topic, partition: 0, value: "none" }], acks: ProduceAcks.NO_RESPONSE });
    await eventually("two records", async () => (await readTopic(broker.address, topic))[0]?.length === 2);
    await producer.close();
  });
}

function newProducer(broker: Broker): Producer<string, string, string, string> & AsyncDisposable {
  const producer = new Producer({
    clientId: "platformatic",
    bootstrapBrokers: [broker.address],
    serializers: stringSerializers,
    idempotent: true,
    retries: 10,
  });
  return Object.assign(producer, { [Symbol.asyncDispose]: () => producer.close() });
}

async function checkOffsets(facts: Facts, broker: Broker, admin: Admin): Promise<void> {
  await facts.check("listOffsets answers earliest, latest, the largest timestamp and a time", async () => {
    const topic = await newTopic(broker, "platformatic-offsets");
    await using producer = newProducer(broker);
    // The largest timestamp is neither in the first batch nor in the last.
    for (const time of [1_000n, 9_000n, 5_000n]) {
      await producer.send({ messages: [{ topic, partition: 0, value: "x", timestamp: time }] });
    }
    const at = async (timestamp: bigint): Promise<readonly unknown[]> => {
      const [listed] = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }],
      });
      const partition = listed?.partitions[0];
      return [partition?.offset, partition?.timestamp];
    };
    deepEqual(await at(ListOffsetTimestamps.EARLIEST), [0n, -1n]);
    deepEqual(await at(ListOffsetTimestamps.LATEST), [3n, -1n]);
    deepEqual(await at(ListOffsetTimestamps.MAX), [1n, 9_000n]);
    deepEqual(await at(2_000n), [1n, 9_000n]);
    deepEqual(await at(1_000n), [0n, 1_000n]);
    deepEqual(await at(9_001n), [-1n, -1n]);
  });
}
