import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { type Connection, initProducerIdV4, NumericMap } from "@platformatic/kafka";
import type { Broker } from "../support/broker.ts";
import type { Facts } from "../support/suite.ts";
import { newTopic } from "../support/topics.ts";
import { connectTo, FETCH_BY_ID, FETCH_BY_NAME, LIST_OFFSETS, METADATA, PRODUCE, versionsOf } from "./versions.ts";

const PRODUCE_KEY = 0;
const FETCH_KEY = 1;
const LIST_OFFSETS_KEY = 2;
const METADATA_KEY = 3;

/** One request in every version of the busy APIs: old ones are still spoken by clients that nobody updates. */
export async function checkVersions(facts: Facts, broker: Broker): Promise<void> {
  const connection = await connectTo(broker);
  try {
    const versions = await versionsOf(connection);
    await facts.check("ApiVersions covers what Kafka 4 promises", async () => {
      const covers = (key: number, min: number, max: number): void => {
        const [from, to] = versions.get(key) ?? [99, -1];
        ok(from <= min && to >= max, `API ${key}: ${from} to ${to}`);
      };
      covers(PRODUCE_KEY, 3, 13);
      covers(FETCH_KEY, 4, 18);
      covers(LIST_OFFSETS_KEY, 1, 10);
      covers(METADATA_KEY, 0, 13);
    });
    const topic = await newTopic(broker, "platformatic-versions");
    await checkWritesAndReads(facts, connection, topic);
    await checkSequences(facts, connection, topic);
  } finally {
    await connection.close();
  }
}

async function checkWritesAndReads(facts: Facts, connection: Connection, topic: string): Promise<void> {
  await facts.check(`Produce in ${PRODUCE.length} versions appends in order`, async () => {
    for (const [i, { api }] of PRODUCE.entries()) {
      const records = [{ topic, partition: 0, value: Buffer.from(`v${api.version}`) }];
      const answer = await api.async(connection, -1, 1_000, records, {});
      if (typeof answer === "boolean") throw new Error("no answer");
      const partition = answer.responses[0]?.partitionResponses[0];
      deepEqual([partition?.errorCode, partition?.baseOffset], [0, BigInt(i)], `version ${api.version}`);
    }
  });
  let topicId = "";
  await facts.check(`Metadata in ${METADATA.length} versions shows the topic and its leader`, async () => {
    for (const { api } of METADATA) {
      const answer = await api.async(connection, [topic], false, false);
      const found = answer.topics.find((one) => one.name === topic);
      equal(found?.errorCode, 0, `version ${api.version}`);
      deepEqual(
        found?.partitions.map((one) => one.leaderId),
        [answer.brokers[0]?.nodeId],
        `version ${api.version}`,
      );
      topicId = found !== undefined && "topicId" in found ? String(found.topicId) : topicId;
    }
  });
  await facts.check(`ListOffsets in ${LIST_OFFSETS.length} versions answers the log end`, async () => {
    for (const { api } of LIST_OFFSETS) {
      const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1n }];
      const answer = await api.async(connection, -1, 0, [{ name: topic, partitions }]);
      equal(answer.topics[0]?.partitions[0]?.offset, BigInt(PRODUCE.length), `version ${api.version}`);
    }
  });
  await facts.check(`Fetch in ${FETCH_BY_NAME.length + FETCH_BY_ID.length} versions answers every record`, async () => {
    const partition = {
      partition: 0,
      currentLeaderEpoch: -1,
      fetchOffset: 0n,
      lastFetchedEpoch: -1,
      partitionMaxBytes: 1e6,
    };
    const expected = PRODUCE.map(({ api }) => `v${api.version}`);
    const seen = async (
      api: (typeof FETCH_BY_NAME | typeof FETCH_BY_ID)[number]["api"],
      name: string,
    ): Promise<void> => {
      // A client without a session asks with epoch -1.
      const topics = [{ topic: name, topicId: name, partitions: [partition] }];
      const answer = await api.async(connection, 100, 1, 1e6, 0, 0, -1, topics, [], "");
      const batches = answer.responses[0]?.partitions[0]?.records ?? [];
      const values = batches.flatMap((batch) => batch.records.map((record) => String(record.value)));
      deepEqual(values, expected, `version ${api.version}`);
    };
    for (const { api } of FETCH_BY_NAME) await seen(api, topic);
    for (const { api } of FETCH_BY_ID) await seen(api, topicId);
  });
}

async function checkSequences(facts: Facts, connection: Connection, topic: string): Promise<void> {
  const { api } = PRODUCE[PRODUCE.length - 1] ?? PRODUCE[0];
  await facts.check("a batch sent again is a duplicate, and a gap in the sequence is refused", async () => {
    const { producerId, producerEpoch } = await initProducerIdV4.api.async(connection, null, 1_000, -1n, -1);
    const send = async (firstSequence: number): Promise<bigint | undefined> => {
      const records = [{ topic, partition: 0, value: Buffer.from(`sequence ${firstSequence}`) }];
      const sequences = new NumericMap([[`${topic}:0`, firstSequence]]);
      const answer = await api.async(connection, -1, 1_000, records, { producerId, producerEpoch, sequences });
      if (typeof answer === "boolean") throw new Error("no answer");
      return answer.responses[0]?.partitionResponses[0]?.baseOffset;
    };
    const first = await send(0);
    const second = await send(1);
    ok(first !== undefined && second === first + 1n);
    equal(await send(0), first);
    equal(await send(1), second);
    await rejects(send(5), /Received response with error/);
    equal(await send(2), second + 1n);
  });
}
