import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import kafkajs, { type Admin, type Kafka } from "kafkajs";
import { Broker } from "../support/broker.ts";
import { readTopic } from "../support/reader.ts";
import type { Facts, Suite } from "../support/suite.ts";
import { eventually } from "../support/topics.ts";
import { checkGroups } from "./groups.ts";

// The package is CommonJS, whose names Node finds only as properties of the default.
const { CompressionTypes, ConfigResourceTypes, logLevel } = kafkajs;

export const kafkajsSuite: Suite = {
  name: "kafkajs",
  budgetMinutes: 2,
  what: "kafkajs: producers with and without idempotence, groups, admin",
  async run(facts, { target }) {
    await using broker = await Broker.start(target);
    const kafka = new kafkajs.Kafka({ clientId: "kafkajs", brokers: [broker.address], logLevel: logLevel.NOTHING });
    const admin = kafka.admin({ retry: { retries: 3, initialRetryTime: 100 } });
    try {
      await admin.connect();
      await checkTopics(facts, broker, admin);
      await checkProducers(facts, { broker, kafka, admin });
      await checkOffsets(facts, kafka, admin);
      await checkConfigs(facts, admin);
      await checkRecordsAndReplicas(facts, kafka, admin);
      await checkGroups(facts, kafka, admin);
    } finally {
      await admin.disconnect();
    }
  },
};

/** Kafka answers a change as soon as the controller has it; the broker's own view may trail by a moment. */
async function createTopic(admin: Admin, topic: string, numPartitions: number): Promise<void> {
  equal(
    await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }], waitForLeaders: true }),
    true,
  );
}

async function checkTopics(facts: Facts, broker: Broker, admin: Admin): Promise<void> {
  await facts.check("describeCluster names the one broker, its address and a cluster id", async () => {
    const cluster = await admin.describeCluster();
    deepEqual(
      cluster.brokers.map(({ host, port }) => ({ host, port })),
      [{ host: broker.host, port: broker.port }],
    );
    equal(cluster.controller, cluster.brokers[0]?.nodeId);
    equal(cluster.clusterId.length, 22);
  });
  await facts.check("createTopics, listTopics and fetchTopicMetadata agree", async () => {
    await createTopic(admin, "kafkajs-topics", 3);
    ok((await admin.listTopics()).includes("kafkajs-topics"));
    const { topics } = await admin.fetchTopicMetadata({ topics: ["kafkajs-topics"] });
    deepEqual(topics[0]?.partitions.map((one) => one.partitionId).toSorted(), [0, 1, 2]);
    for (const partition of topics[0]?.partitions ?? []) {
      equal(partition.partitionErrorCode, 0);
      deepEqual(partition.isr, [partition.leader]);
    }
  });
  await facts.check("createTopics answers false for a topic that exists, and fails for bad requests", async () => {
    equal(await admin.createTopics({ topics: [{ topic: "kafkajs-topics" }] }), false);
    const bad = (topic: object): Promise<unknown> =>
      admin.createTopics({ topics: [{ topic: "kafkajs-bad", ...topic }] }).catch((error) => {
        throw error.errors?.[0] ?? error;
      });
    await rejects(bad({ numPartitions: 0 }), { type: "INVALID_PARTITIONS" });
    await rejects(bad({ replicationFactor: 99 }), { type: "INVALID_REPLICATION_FACTOR" });
    await rejects(bad({ topic: "no spaces" }), { type: "INVALID_TOPIC_EXCEPTION" });
    await rejects(bad({ configEntries: [{ name: "retention.ms", value: "soon" }] }), { type: "INVALID_CONFIG" });
    await rejects(bad({ configEntries: [{ name: "no.such.config", value: "1" }] }), { type: "INVALID_CONFIG" });
    ok(!(await admin.listTopics()).includes("kafkajs-bad"));
  });
  await facts.check("createTopics with validateOnly creates nothing", async () => {
    await admin.createTopics({ topics: [{ topic: "kafkajs-dry" }], validateOnly: true, waitForLeaders: false });
    ok(!(await admin.listTopics()).includes("kafkajs-dry"));
  });
  await facts.check("createPartitions adds partitions, and refuses to take any away", async () => {
    await admin.createPartitions({ topicPartitions: [{ topic: "kafkajs-topics", count: 5 }] });
    await eventually("five partitions", async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: ["kafkajs-topics"] });
      return topics[0]?.partitions.length === 5;
    });
    await rejects(admin.createPartitions({ topicPartitions: [{ topic: "kafkajs-topics", count: 2 }] }), {
      type: "INVALID_PARTITIONS",
    });
  });
  await facts.check("deleteTopics removes a topic, and a second time it is unknown", async () => {
    await createTopic(admin, "kafkajs-deleted", 1);
    await admin.deleteTopics({ topics: ["kafkajs-deleted"] });
    await eventually("the topic is gone", async () => !(await admin.listTopics()).includes("kafkajs-deleted"));
    // kafkajs takes the answer for one that will pass and tries again before it gives up.
    const again = admin.deleteTopics({ topics: ["kafkajs-deleted"] }).catch((error) => {
      throw error.cause ?? error;
    });
    await rejects(again, { type: "UNKNOWN_TOPIC_OR_PARTITION" });
  });
}

interface Parties {
  readonly broker: Broker;
  readonly kafka: Kafka;
  readonly admin: Admin;
}

async function checkProducers(facts: Facts, { broker, kafka, admin }: Parties): Promise<void> {
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    for (const idempotent of [false, true]) {
      const label = `${compression === CompressionTypes.GZIP ? "gzip" : "none"}-${idempotent ? "idempotent" : "plain"}`;
      await facts.check(
        `${label}: 500 records over 2 partitions keep keys, values, headers, times and order`,
        async () => {
          const topic = `kafkajs-${label}`;
          await createTopic(admin, topic, 2);
          const producer = kafka.producer({ idempotent, allowAutoTopicCreation: false });
          await producer.connect();
          for (let from = 0; from < 500; from += 50) {
            const messages = Array.from({ length: 50 }, (_, i) => ({
              partition: (from + i) % 2,
              key: `key ${from + i}`,
              value: i % 10 === 9 ? null : `value ${from + i}`,
              headers: { trace: `id ${from + i}` },
              timestamp: String(1_700_000_000_000 + from + i),
            }));
            const sent = await producer.send({ topic, messages, compression, acks: -1 });
            deepEqual(
              sent.map(({ errorCode, baseOffset }) => ({ errorCode, baseOffset })),
              [0, 1].map(() => ({ errorCode: 0, baseOffset: String(from / 2) })),
            );
          }
          await producer.disconnect();
          const expected = (partition: number): unknown =>
            Array.from({ length: 250 }, (_, offset) => {
              const i = offset * 2 + partition;
              return {
                offset,
                key: `key ${i}`,
                value: i % 10 === 9 ? null : `value ${i}`,
                headers: [["trace", `id ${i}`]],
                timestampMs: 1_700_000_000_000 + i,
              };
            });
          deepEqual(await readTopic(broker.address, topic), [expected(0), expected(1)]);
        },
      );
    }
  }
  await facts.check("a record for an unknown topic fails once auto-creation is off for the request", async () => {
    const producer = kafka.producer({ allowAutoTopicCreation: false, retry: { retries: 1, initialRetryTime: 50 } });
    await producer.connect();
    await rejects(producer.send({ topic: "kafkajs-unknown", messages: [{ value: "x" }] }));
    await producer.disconnect();
    ok(!(await admin.listTopics()).includes("kafkajs-unknown"));
  });
}

async function checkOffsets(facts: Facts, kafka: Kafka, admin: Admin): Promise<void> {
  const topic = "kafkajs-offsets";
  await createTopic(admin, topic, 2);
  const producer = kafka.producer();
  await producer.connect();
  const messages = [1_000, 2_000, 3_000].map((timestamp) => ({
    partition: 1,
    value: "x",
    timestamp: String(timestamp),
  }));
  // One batch each: a search by time must find the right one, not only the right place inside one.
  for (const message of messages) await producer.send({ topic, messages: [message] });
  await producer.disconnect();
  await facts.check("fetchTopicOffsets answers low and high of every partition", async () => {
    const offsets = await admin.fetchTopicOffsets(topic);
    deepEqual(
      offsets.toSorted((a, b) => a.partition - b.partition),
      [
        { partition: 0, offset: "0", high: "0", low: "0" },
        { partition: 1, offset: "3", high: "3", low: "0" },
      ],
    );
  });
  await facts.check("fetchTopicOffsetsByTimestamp answers the first offset at or after it, or the end", async () => {
    const at = async (timestamp: number): Promise<string | undefined> => {
      const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
      return offsets.find((one) => one.partition === 1)?.offset;
    };
    deepEqual([await at(500), await at(2_000), await at(2_001), await at(9_000)], ["0", "1", "2", "3"]);
  });
}

async function checkConfigs(facts: Facts, admin: Admin): Promise<void> {
  const topic = "kafkajs-configs";
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  const read = async (name: string): Promise<unknown> => {
    const query = { resources: [{ ...resource, configNames: [name] }], includeSynonyms: false };
    const entry = (await admin.describeConfigs(query)).resources[0]?.configEntries[0];
    return { name: entry?.configName, value: entry?.configValue, source: entry?.configSource };
  };
  const [fromDefault, fromTopic] = [5, 1];
  await createTopic(admin, topic, 1);
  await facts.check("describeConfigs shows Kafka's defaults for a topic, marked as such", async () => {
    const answer = await admin.describeConfigs({ resources: [resource], includeSynonyms: false });
    const entries = new Map(answer.resources[0]?.configEntries.map((one) => [one.configName, one.configValue]));
    equal(entries.get("retention.ms"), "604800000");
    equal(entries.get("cleanup.policy"), "delete");
    equal(entries.get("max.message.bytes"), "1048588");
    equal(entries.get("compression.type"), "producer");
    deepEqual(await read("retention.ms"), { name: "retention.ms", value: "604800000", source: fromDefault });
  });
  await facts.check("alterConfigs sets a config and drops those that it does not name", async () => {
    const alter = (name: string, value: string): Promise<unknown> =>
      admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name, value }] }] });
    await alter("retention.ms", "1234567");
    const changed = { name: "retention.ms", value: "1234567", source: fromTopic };
    await eventually(
      "retention.ms",
      async () => JSON.stringify(await read("retention.ms")) === JSON.stringify(changed),
    );
    await alter("max.message.bytes", "2000");
    const dropped = { name: "retention.ms", value: "604800000", source: fromDefault };
    await eventually("the default", async () => JSON.stringify(await read("retention.ms")) === JSON.stringify(dropped));
    await rejects(alter("cleanup.policy", "burn"), { type: "INVALID_CONFIG" });
  });
  await facts.check("describeConfigs of an unknown topic is an error", async () => {
    const query = { resources: [{ type: ConfigResourceTypes.TOPIC, name: "nowhere" }], includeSynonyms: false };
    await rejects(admin.describeConfigs(query), { type: "UNKNOWN_TOPIC_OR_PARTITION" });
  });
  await facts.check("describeConfigs of the broker shows its configs", async () => {
    const cluster = await admin.describeCluster();
    const broker = { type: ConfigResourceTypes.BROKER, name: String(cluster.brokers[0]?.nodeId) };
    const answer = await admin.describeConfigs({ resources: [broker], includeSynonyms: false });
    const entries = new Map(answer.resources[0]?.configEntries.map((one) => [one.configName, one.configValue]));
    equal(entries.get("auto.create.topics.enable"), "true");
    equal(entries.get("message.max.bytes"), "1048588");
  });
}

async function checkRecordsAndReplicas(facts: Facts, kafka: Kafka, admin: Admin): Promise<void> {
  const topic = "kafkajs-deletions";
  await createTopic(admin, topic, 2);
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: ["a", "b", "c", "d"].map((value) => ({ partition: 1, value })) });
  await producer.disconnect();
  const lowOf = async (partition: number): Promise<string | undefined> =>
    (await admin.fetchTopicOffsets(topic)).find((one) => one.partition === partition)?.low;
  await facts.check("deleteTopicRecords moves the low offset, and not beyond the high one", async () => {
    // kafkajs looks for the leaders in what it has heard of the topic so far.
    equal(await lowOf(1), "0");
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "3" }] });
    deepEqual([await lowOf(0), await lowOf(1)], ["0", "3"]);
    await rejects(admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "5" }] }), {
      message: "Error while deleting records",
    });
    const toTheEnd = [0, 1].map((partition) => ({ partition, offset: "-1" }));
    await admin.deleteTopicRecords({ topic, partitions: toTheEnd });
    deepEqual([await lowOf(0), await lowOf(1)], ["0", "4"]);
  });
  await facts.check(
    "alterPartitionReassignments takes the replicas that are there, and no broker that is not",
    async () => {
      const [broker] = (await admin.describeCluster()).brokers;
      const assign = (replica: number): Promise<void> => {
        const partitionAssignment = [{ partition: 0, replicas: [replica] }];
        return admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
      };
      await assign(broker?.nodeId ?? -1);
      await rejects(assign(99), (error: { errors?: readonly { type?: string }[] }) => {
        equal(error.errors?.[0]?.type, "INVALID_REPLICA_ASSIGNMENT");
        return true;
      });
      deepEqual((await admin.listPartitionReassignments({})).topics, []);
    },
  );
}
