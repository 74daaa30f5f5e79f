import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { GroupClient } from "./group-client.ts";

const { NONE, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode;

async function started(brokerConfigs: Readonly<Record<string, string>> = {}): Promise<GroupClient> {
  const client = await GroupClient.start(brokerConfigs);
  await client.createTopic("orders");
  return client;
}

test("what is committed is fetched, with its metadata and leader epoch, in every version", async () => {
  await using client = await started();
  const topicId = defined(client.memory.broker.services.cluster.topicByName("orders")).topicId;
  for (let version = 2; version <= 10; version++) {
    const committed = await client.connection.send(Apis.OFFSET_COMMIT, version, {
      groupId: "readers",
      generationIdOrMemberEpoch: -1,
      memberId: "",
      topics: [
        {
          ...(version >= 10 ? { topicId } : { name: "orders" }),
          partitions: [
            {
              partitionIndex: 1,
              committedOffset: version,
              ...(version >= 6 ? { committedLeaderEpoch: 3 } : {}),
              committedMetadata: `by v${version}`,
            },
          ],
        },
      ],
    });
    expect(committed.topics[0]?.partitions).toEqual([{ partitionIndex: 1, errorCode: NONE }]);
    expect(await client.offsets("readers")).toEqual([["orders", 1, version]]);
  }
  const partition = { committedOffset: 10, metadata: "by v10", errorCode: NONE };
  for (let version = 1; version <= 7; version++) {
    const topics = [{ name: "orders", partitionIndexes: [0, 1] }];
    const answer = await client.connection.send(Apis.OFFSET_FETCH, version, { groupId: "readers", topics });
    expect(answer.errorCode).toBe(NONE);
    expect(answer.topics[0]?.partitions).toMatchObject([
      { partitionIndex: 0, committedOffset: -1, metadata: "", errorCode: NONE },
      { partitionIndex: 1, ...partition, ...(version >= 5 ? { committedLeaderEpoch: 3 } : {}) },
    ]);
  }
  for (let version = 8; version <= 10; version++) {
    const topic = { ...(version >= 10 ? { topicId } : { name: "orders" }), partitionIndexes: [1] };
    const groups = ["readers", "nobody"].map((groupId) => ({ groupId, topics: [topic] }));
    const answer = await client.connection.send(Apis.OFFSET_FETCH, version, { groups, requireStable: true });
    expect(answer.groups.map((group) => group.topics[0]?.partitions[0]?.committedOffset)).toEqual([10, -1]);
    expect(answer.groups[0]?.topics[0]?.partitions[0]).toMatchObject({ ...partition, committedLeaderEpoch: 3 });
  }
});

test("partitions that cannot be committed have their own errors, and the others are committed", async () => {
  await using client = await started();
  expect(await client.commit("readers", 1, { topic: "nowhere" })).toBe(UNKNOWN_TOPIC_OR_PARTITION);
  expect(await client.commit("readers", 1, { partitionIndex: 2 })).toBe(UNKNOWN_TOPIC_OR_PARTITION);
  expect(await client.commit("readers", 1, { partitionIndex: -1 })).toBe(UNKNOWN_TOPIC_OR_PARTITION);
  expect(await client.commit("readers", 1, { metadata: "x".repeat(4_097) })).toBe(ErrorCode.OFFSET_METADATA_TOO_LARGE);
  expect(await client.offsets("readers")).toEqual([]);
  expect(await client.commit("readers", 1, { metadata: "x".repeat(4_096) })).toBe(NONE);
  const answer = await client.connection.send(Apis.OFFSET_COMMIT, 8, {
    groupId: "readers",
    generationIdOrMemberEpoch: -1,
    memberId: "",
    topics: [
      { name: "nowhere", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] },
      { name: "orders", partitions: [{ partitionIndex: 1, committedOffset: 9, committedMetadata: null }] },
    ],
  });
  expect(answer.topics.map(({ partitions }) => partitions[0]?.errorCode)).toEqual([UNKNOWN_TOPIC_OR_PARTITION, NONE]);
  expect(await client.offsets("readers")).toEqual([
    ["orders", 0, 1],
    ["orders", 1, 9],
  ]);
});

test("a negative offset is taken as it is, as by Kafka, and -1 reads as nothing", async () => {
  await using client = await started();
  expect(await client.commit("readers", -1)).toBe(NONE);
  expect(await client.offsets("readers", [{ name: "orders", partitionIndexes: [0] }])).toEqual([["orders", 0, -1]]);
});

test("only members of the generation commit to a group that has members", async () => {
  await using client = await started();
  const { memberId, generationId } = await client.onlyMember("readers");
  expect(await client.commit("readers", 1)).toBe(UNKNOWN_MEMBER_ID);
  expect(await client.commit("readers", 1, { memberId, generationId: generationId - 1 })).toBe(ILLEGAL_GENERATION);
  expect(await client.commit("readers", 1, { memberId: "stranger", generationId })).toBe(UNKNOWN_MEMBER_ID);
  expect(await client.commit("readers", 1, { memberId, generationId })).toBe(NONE);
  expect(await client.commit("nobody", 1, { memberId, generationId })).toBe(ILLEGAL_GENERATION);
});

test("offsets belong to the topic's id: one that is made again starts afresh", async () => {
  await using client = await started();
  expect(await client.commit("readers", 7)).toBe(NONE);
  await client.deleteTopic("orders");
  expect(await client.offsets("readers")).toEqual([]);
  await client.createTopic("orders");
  expect(await client.offsets("readers", [{ name: "orders", partitionIndexes: [0] }])).toEqual([["orders", 0, -1]]);
  const journals = await client.memory.broker.services.groups.access.allJournals(AbortSignal.timeout(5_000));
  expect(journals.flatMap(({ state }) => [...state.groups.values()].map(({ offsets }) => offsets.size))).toEqual([0]);
  expect(await client.commit("readers", 2)).toBe(NONE);
  expect(await client.offsets("readers")).toEqual([["orders", 0, 2]]);
});

test("a topic that is not there has no offsets by name, and no place by id", async () => {
  await using client = await started();
  expect(await client.offsets("readers", [{ name: "nowhere", partitionIndexes: [0] }])).toEqual([["nowhere", 0, -1]]);
  const { topicId } = defined(client.memory.broker.services.cluster.topicByName("orders"));
  await client.deleteTopic("orders");
  const asked = [{ groupId: "readers", topics: [{ topicId, partitionIndexes: [0] }] }];
  const answer = await client.connection.send(Apis.OFFSET_FETCH, 10, { groups: asked });
  expect(answer.groups[0]?.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
});
