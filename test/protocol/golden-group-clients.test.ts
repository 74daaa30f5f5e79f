import { consumerGroupHeartbeatV1, joinGroupV9, offsetCommitV9, offsetFetchV9, Reader } from "@platformatic/kafka";
import { describe, expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { encode } from "#lib/protocol/codec.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { joined } from "./arbitrary.ts";
import { decodeAll, kafkajs, written } from "./foreign-bytes.ts";

// What kafkajs and @platformatic/kafka write for their groups is read here in full, and they read what we write.

const protocols = [{ name: "range", metadata: Buffer.from("metadata") }];

describe("kafkajs", () => {
  test.each([0, 1, 2, 3, 4, 5])("writes a JoinGroup v%i that we read, and reads our answer", async (version) => {
    const input = { groupId: "readers", sessionTimeout: 30_000, rebalanceTimeout: 60_000, memberId: "m-1" };
    const request = { ...input, groupInstanceId: "i-1", protocolType: "consumer", groupProtocols: protocols };
    const bytes = await written(kafkajs(`joinGroup/v${version}/request`)(request));
    expect(decodeAll(Apis.JOIN_GROUP.request, version, bytes)).toMatchObject({
      groupId: "readers",
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: version >= 1 ? 60_000 : -1,
      memberId: "m-1",
      groupInstanceId: version >= 5 ? "i-1" : null,
      protocols,
    });
    const members = [{ memberId: "m-1", metadata: Buffer.from("metadata") }];
    const group = { errorCode: 0, generationId: 4, protocolName: "range", leader: "m-1", memberId: "m-1", members };
    const answer = joined(encode(Apis.JOIN_GROUP.response, version, group));
    expect(await kafkajs(`joinGroup/v${version}/response`).decode(answer)).toMatchObject({
      generationId: 4,
      groupProtocol: "range",
      leaderId: "m-1",
      members: [{ memberId: "m-1", memberMetadata: Buffer.from("metadata") }],
    });
  });

  test.each([0, 1, 2, 3])("writes a SyncGroup v%i that we read, and reads our answer", async (version) => {
    const input = { groupId: "readers", generationId: 4, memberId: "m-1", groupInstanceId: "i-1" };
    const groupAssignment = [{ memberId: "m-2", memberAssignment: Buffer.from("mine") }];
    const bytes = await written(kafkajs(`syncGroup/v${version}/request`)({ ...input, groupAssignment }));
    expect(decodeAll(Apis.SYNC_GROUP.request, version, bytes)).toMatchObject({
      ...input,
      groupInstanceId: version >= 3 ? "i-1" : null,
      assignments: [{ memberId: "m-2", assignment: Buffer.from("mine") }],
    });
    const answer = joined(encode(Apis.SYNC_GROUP.response, version, { errorCode: 0, assignment: Buffer.from("mine") }));
    expect(await kafkajs(`syncGroup/v${version}/response`).decode(answer)).toMatchObject({
      memberAssignment: Buffer.from("mine"),
    });
  });

  test.each([0, 1, 2, 3, 4, 5])("writes an OffsetCommit v%i that we read", async (version) => {
    const topics = [{ topic: "orders", partitions: [{ partition: 3, offset: "1234567890123", timestamp: "17" }] }];
    const input = { groupId: "readers", groupGenerationId: 4, memberId: "m-1", retentionTime: "5", topics };
    const bytes = await written(kafkajs(`offsetCommit/v${version}/request`)(input));
    expect(decodeAll(Apis.OFFSET_COMMIT.request, version, bytes)).toMatchObject({
      groupId: "readers",
      generationIdOrMemberEpoch: version >= 1 ? 4 : -1,
      retentionTimeMs: version >= 2 && version <= 4 ? 5 : -1,
      topics: [{ name: "orders", partitions: [{ partitionIndex: 3, committedOffset: 1234567890123 }] }],
    });
  });

  test.each([1, 2, 3, 4])("writes an OffsetFetch v%i that we read, and reads our answer", async (version) => {
    const topics = [{ topic: "orders", partitions: [{ partition: 3 }] }];
    const bytes = await written(kafkajs(`offsetFetch/v${version}/request`)({ groupId: "readers", topics }));
    expect(decodeAll(Apis.OFFSET_FETCH.request, version, bytes)).toMatchObject({
      groupId: "readers",
      topics: [{ name: "orders", partitionIndexes: [3] }],
    });
    const partitions = [{ partitionIndex: 3, committedOffset: 77, metadata: null, errorCode: 0 }];
    const answer = joined(encode(Apis.OFFSET_FETCH.response, version, { topics: [{ name: "orders", partitions }] }));
    expect(await kafkajs(`offsetFetch/v${version}/response`).decode(answer)).toMatchObject({
      responses: [{ topic: "orders", partitions: [{ partition: 3, offset: "77", errorCode: 0 }] }],
    });
  });
});

describe("@platformatic/kafka", () => {
  const reader = (chunks: readonly Uint8Array[]) => Reader.from(Buffer.from(joined(chunks)));

  test("writes a JoinGroup v9 that we read, and reads our answer", () => {
    const request = joinGroupV9.createRequest("readers", 30_000, 60_000, "m-1", null, "consumer", protocols, "why");
    expect(decodeAll(Apis.JOIN_GROUP.request, 9, request.buffer)).toMatchObject({ protocols, reason: "why" });
    const group = { errorCode: 0, generationId: 4, protocolName: "range", leader: "m-1", memberId: "m-1", members: [] };
    const answer = encode(Apis.JOIN_GROUP.response, 9, { ...group, skipAssignment: true });
    expect(joinGroupV9.parseResponse(1, 11, 9, reader(answer))).toMatchObject({ ...group, skipAssignment: true });
  });

  test("writes an OffsetCommit v9 and an OffsetFetch v9 that we read", () => {
    const partition = { partitionIndex: 3, committedLeaderEpoch: 2, committedMetadata: "x" };
    const topics = [{ name: "orders", partitions: [{ ...partition, committedOffset: 77n }] }];
    const commit = offsetCommitV9.createRequest("readers", 4, "m-1", null, topics);
    expect(decodeAll(Apis.OFFSET_COMMIT.request, 9, commit.buffer)).toMatchObject({
      topics: [{ name: "orders", partitions: [{ ...partition, committedOffset: 77 }] }],
    });
    const wanted = [{ name: "orders", partitionIndexes: [3] }];
    const groups = [{ groupId: "readers", memberId: "m-1", memberEpoch: 4, topics: wanted }];
    const fetch = offsetFetchV9.createRequest(groups, true);
    expect(decodeAll(Apis.OFFSET_FETCH.request, 9, fetch.buffer)).toMatchObject({ groups, requireStable: true });
  });

  test("writes a ConsumerGroupHeartbeat v1 that we read, and reads our answer", () => {
    const topicId = "bcb93a08-6953-49ea-9431-76d82a7f3318";
    const ourTopicId = uuidFromBytes(Buffer.from(topicId.replaceAll("-", ""), "hex"));
    const { createRequest, parseResponse } = consumerGroupHeartbeatV1;
    const request = createRequest("readers", "m-1", 4, null, null, 60_000, ["orders"], null, "uniform", []);
    expect(decodeAll(Apis.CONSUMER_GROUP_HEARTBEAT.request, 1, request.buffer)).toMatchObject({
      memberEpoch: 4,
      subscribedTopicNames: ["orders"],
      subscribedTopicRegex: null,
      serverAssignor: "uniform",
      topicPartitions: [],
    });
    const beat = { errorCode: 0, memberId: "m-1", memberEpoch: 5, heartbeatIntervalMs: 3000 };
    const assignment = { topicPartitions: [{ topicId: ourTopicId, partitions: [1, 2] }] };
    const answer = encode(Apis.CONSUMER_GROUP_HEARTBEAT.response, 1, { ...beat, assignment });
    expect(parseResponse(1, 68, 1, reader(answer))).toMatchObject({
      ...beat,
      assignment: { topicPartitions: [{ topicId, partitions: [1, 2] }] },
    });
  });
});
