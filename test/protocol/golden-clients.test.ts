import { fetchV17, listOffsetsV9, metadataV12, Reader } from "@platformatic/kafka";
import { describe, expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { encode } from "#lib/protocol/codec.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { joined } from "./arbitrary.ts";
import { decodeAll, kafkajs, written } from "./foreign-bytes.ts";

// What kafkajs and @platformatic/kafka write is read here in full, and they read what we write.

describe("kafkajs", () => {
  test.each([4, 5, 6, 7, 8, 9, 10, 11])("writes a Fetch v%i that we read", async (version) => {
    const partitions = [{ partition: 2, fetchOffset: "1234567890123", maxBytes: 1000 }];
    const topics = [{ topic: "orders", partitions }];
    const input = { replicaId: -1, maxWaitTime: 500, minBytes: 1, maxBytes: 9000, topics };
    const bytes = await written(kafkajs(`fetch/v${version}/request`)(input));
    expect(decodeAll(Apis.FETCH.request, version, bytes)).toMatchObject({
      maxWaitMs: 500,
      maxBytes: 9000,
      isolationLevel: 1,
      sessionEpoch: -1,
      topics: [
        { topic: "orders", partitions: [{ partition: 2, fetchOffset: 1234567890123, partitionMaxBytes: 1000 }] },
      ],
    });
  });

  test.each([3, 4, 5, 6, 7])("writes a Produce v%i that we read", async (version) => {
    const messages = [{ key: Buffer.from("k"), value: Buffer.from("v"), headers: {}, timestamp: "1700000000000" }];
    const topicData = [{ topic: "orders", partitions: [{ partition: 4, messages }] }];
    const bytes = await written(kafkajs(`produce/v${version}/request`)({ acks: -1, timeout: 100, topicData }));
    const request = decodeAll(Apis.PRODUCE.request, version, bytes);
    expect(request).toMatchObject({ transactionalId: null, acks: -1, timeoutMs: 100 });
    const partition = request.topicData[0]?.partitionData[0];
    expect([request.topicData[0]?.name, partition?.index]).toEqual(["orders", 4]);
    const records = partition?.records ?? new Uint8Array(0);
    // The batch length at byte 8 counts what follows it: the field held one whole batch.
    expect(new DataView(records.buffer, records.byteOffset).getInt32(8)).toBe(records.byteLength - 12);
  });

  test.each([1, 2, 3, 4, 5, 6])("reads our Metadata v%i", async (version) => {
    const partition = { errorCode: 0, partitionIndex: 3, leaderId: 1, replicaNodes: [1, 2], isrNodes: [1] };
    const bytes = joined(
      encode(Apis.METADATA.response, version, {
        brokers: [{ nodeId: 1, host: "127.0.0.1", port: 9092, rack: "a" }],
        clusterId: "millrace",
        controllerId: 1,
        topics: [{ errorCode: 0, name: "orders", partitions: [partition] }],
      }),
    );
    expect(await kafkajs(`metadata/v${version}/response`).decode(bytes)).toMatchObject({
      brokers: [{ nodeId: 1, host: "127.0.0.1", port: 9092, rack: "a" }],
      controllerId: 1,
      topicMetadata: [
        {
          topic: "orders",
          isInternal: false,
          partitionMetadata: [{ partitionId: 3, leader: 1, replicas: [1, 2], isr: [1] }],
        },
      ],
    });
  });

  test.each([0, 1, 2, 3])("writes and reads CreateTopics v%i as we do", async (version) => {
    const topics = [{ topic: "orders", numPartitions: 6, configEntries: [{ name: "retention.ms", value: "1" }] }];
    const bytes = await written(kafkajs(`createTopics/v${version}/request`)({ topics, timeout: 5000 }));
    expect(decodeAll(Apis.CREATE_TOPICS.request, version, bytes)).toMatchObject({
      topics: [{ name: "orders", numPartitions: 6, configs: [{ name: "retention.ms", value: "1" }] }],
      timeoutMs: 5000,
    });
    const answer = joined(
      encode(Apis.CREATE_TOPICS.response, version, {
        topics: [{ name: "orders", errorCode: 36, errorMessage: "there" }],
      }),
    );
    expect(await kafkajs(`createTopics/v${version}/response`).decode(answer)).toMatchObject({
      topicErrors: [{ topic: "orders", errorCode: 36 }],
    });
  });
});

describe("@platformatic/kafka", () => {
  const topicId = "bcb93a08-6953-49ea-9431-76d82a7f3318";
  const ourTopicId = uuidFromBytes(Buffer.from(topicId.replaceAll("-", ""), "hex"));

  test("writes a Fetch v17 that we read", () => {
    const partition = {
      partition: 1,
      currentLeaderEpoch: 2,
      fetchOffset: 3n,
      lastFetchedEpoch: -1,
      partitionMaxBytes: 9,
    };
    const bytes = fetchV17.createRequest(500, 1, 9000, 1, 0, -1, [{ topicId, partitions: [partition] }], [], "").buffer;
    expect(decodeAll(Apis.FETCH.request, 17, bytes)).toMatchObject({
      maxWaitMs: 500,
      topics: [{ topicId: ourTopicId, partitions: [{ ...partition, fetchOffset: 3 }] }],
      rackId: "",
    });
  });

  test("reads our Fetch v17", () => {
    const bytes = joined(
      encode(Apis.FETCH.response, 17, {
        sessionId: 5,
        responses: [
          {
            topicId: ourTopicId,
            partitions: [
              {
                partitionIndex: 1,
                errorCode: 0,
                highWatermark: 10,
                currentLeader: { leaderId: 3, leaderEpoch: 4 },
                records: null,
              },
            ],
          },
        ],
      }),
    );
    expect(fetchV17.parseResponse(1, 1, 17, Reader.from(Buffer.from(bytes)))).toMatchObject({
      sessionId: 5,
      responses: [
        {
          topicId,
          partitions: [{ partitionIndex: 1, highWatermark: 10n, currentLeader: { leaderId: 3, leaderEpoch: 4 } }],
        },
      ],
    });
  });

  test("writes a ListOffsets v9 that we read", () => {
    const partitions = [{ partitionIndex: 1, currentLeaderEpoch: -1, timestamp: -2n }];
    const bytes = listOffsetsV9.createRequest(-1, 1, [{ name: "orders", partitions }]).buffer;
    expect(decodeAll(Apis.LIST_OFFSETS.request, 9, bytes)).toMatchObject({
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ name: "orders", partitions: [{ partitionIndex: 1, timestamp: -2 }] }],
    });
  });

  test("writes and reads Metadata v12 as we do", () => {
    const bytes = metadataV12.createRequest(["orders"], true, false).buffer;
    expect(decodeAll(Apis.METADATA.request, 12, bytes)).toMatchObject({ topics: [{ name: "orders" }] });
    const partition = { errorCode: 0, partitionIndex: 3, leaderId: 1, replicaNodes: [1, 2], isrNodes: [1] };
    const answer = joined(
      encode(Apis.METADATA.response, 12, {
        brokers: [{ nodeId: 1, host: "127.0.0.1", port: 9092 }],
        topics: [{ errorCode: 0, name: "orders", topicId: ourTopicId, partitions: [partition] }],
      }),
    );
    expect(metadataV12.parseResponse(1, 3, 12, Reader.from(Buffer.from(answer)))).toMatchObject({
      brokers: [{ nodeId: 1, host: "127.0.0.1", port: 9092, rack: null }],
      topics: [{ name: "orders", topicId, partitions: [partition] }],
    });
  });
});
