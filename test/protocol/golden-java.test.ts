import { expect, test } from "vitest";
import { decode } from "#lib/protocol/codec.ts";
import { ApiVersionsRequest, ApiVersionsResponse } from "#lib/protocol/messages/api-versions.ts";
import { CreateTopicsResponse } from "#lib/protocol/messages/create-topics.ts";
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from "#lib/protocol/messages/describe-topic-partitions.ts";
import { FetchRequest, FetchResponse } from "#lib/protocol/messages/fetch.ts";
import { FindCoordinatorRequest } from "#lib/protocol/messages/find-coordinator.ts";
import { InitProducerIdRequest } from "#lib/protocol/messages/init-producer-id.ts";
import { ListOffsetsRequest } from "#lib/protocol/messages/list-offsets.ts";
import { MetadataRequest, MetadataResponse } from "#lib/protocol/messages/metadata.ts";
import { ProduceRequest, ProduceResponse } from "#lib/protocol/messages/produce.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { goldenList, testGoldens } from "./golden.ts";

// The bytes were written by the message classes of Apache Kafka's Java client, kafka-clients 4.3.1: a small program set
// the values below on `new FetchRequestData()` and its like and printed
// `MessageUtil.toByteBufferAccessor(data, version).buffer()` in hexadecimal.

const topicId = uuidFromBytes(Buffer.from("bcb93a08695349ea943176d82a7f3318", "hex"));
const batchHex = `00000000000000000000003effffffff02${"00".repeat(57)}`;
const batch = Buffer.from(batchHex, "hex");

const { goldens, golden } = goldenList();
golden(
  ApiVersionsRequest,
  4,
  { clientSoftwareName: "apache-kafka-java", clientSoftwareVersion: "4.3.1" },
  "126170616368652d6b61666b612d6a61766106342e332e3100",
);
const versions = {
  errorCode: 0,
  apiKeys: [
    { apiKey: 0, minVersion: 0, maxVersion: 13 },
    { apiKey: 18, minVersion: 0, maxVersion: 4 },
  ],
  throttleTimeMs: 3,
  supportedFeatures: [{ name: "metadata.version", minVersion: 7, maxVersion: 29 }],
  finalizedFeaturesEpoch: 9,
  finalizedFeatures: [{ name: "metadata.version", maxVersionLevel: 29, minVersionLevel: 29 }],
};
golden(ApiVersionsResponse, 0, versions, "00000000000200000000000d001200000004");
golden(
  ApiVersionsResponse,
  4,
  versions,
  [
    "00000300000000000d00001200000004000000000303001702116d657461646174612e76657273696f6e0007001d00010800000000000000",
    "09021702116d657461646174612e76657273696f6e001d001d00",
  ].join(""),
);
golden(
  MetadataRequest,
  13,
  { topics: null, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: true },
  "00000100",
);
golden(
  MetadataRequest,
  13,
  { topics: [{ name: "orders" }, { name: null, topicId }] },
  ["0300000000000000000000000000000000076f726465727300bcb93a08695349ea943176d82a7f33180000010000"].join(""),
);
const metadata = {
  brokers: [
    { nodeId: 0, host: "127.0.0.1", port: 9092, rack: "eu-1a" },
    { nodeId: 2, host: "localhost", port: 29092 },
  ],
  clusterId: "millrace-1",
  controllerId: 2,
  topics: [
    {
      errorCode: 0,
      name: "orders",
      topicId,
      partitions: [
        {
          errorCode: 0,
          partitionIndex: 1,
          leaderId: 2,
          leaderEpoch: 5,
          replicaNodes: [2, 0],
          isrNodes: [2],
          offlineReplicas: [0],
        },
      ],
    },
  ],
};
golden(
  MetadataResponse,
  1,
  metadata,
  [
    "000000020000000000093132372e302e302e3100002384000565752d31610000000200096c6f63616c686f7374000071a4ffff0000000200",
    "000001000000066f72646572730000000001000000000001000000020000000200000002000000000000000100000002",
  ].join(""),
);
golden(
  MetadataResponse,
  13,
  metadata,
  [
    "0000000003000000000a3132372e302e302e31000023840665752d316100000000020a6c6f63616c686f7374000071a400000b6d696c6c72",
    "6163652d3100000002020000076f7264657273bcb93a08695349ea943176d82a7f3318000200000000000100000002000000050300000002",
    "0000000002000000020200000000008000000000000000",
  ].join(""),
);
const partitionData = [
  { index: 3, records: batch },
  { index: 4, records: null },
];
golden(
  ProduceRequest,
  3,
  { acks: -1, timeoutMs: 30000, topicData: [{ name: "orders", partitionData }] },
  ["ffffffff000075300000000100066f726465727300000002000000030000004a", batchHex, "00000004ffffffff"].join(""),
);
golden(
  ProduceRequest,
  9,
  { acks: -1, timeoutMs: 30000, topicData: [{ name: "orders", partitionData }] },
  ["00ffff0000753002076f726465727303000000034b", batchHex, "000000000400000000"].join(""),
);
golden(
  ProduceRequest,
  13,
  { acks: -1, timeoutMs: 30000, topicData: [{ topicId, partitionData }] },
  ["00ffff0000753002bcb93a08695349ea943176d82a7f331803000000034b", batchHex, "000000000400000000"].join(""),
);
golden(
  ProduceResponse,
  13,
  {
    responses: [
      {
        topicId,
        partitionResponses: [
          {
            index: 3,
            errorCode: 6,
            baseOffset: -1,
            errorMessage: "moved",
            currentLeader: { leaderId: 2, leaderEpoch: 8 },
          },
          {
            index: 4,
            errorCode: 0,
            baseOffset: 4503599627370497,
            logAppendTimeMs: 1700000000000,
            logStartOffset: 12,
            recordErrors: [{ batchIndex: 1 }],
          },
        ],
      },
    ],
    nodeEndpoints: [{ nodeId: 2, host: "localhost", port: 29092 }],
  },
  [
    "02bcb93a08695349ea943176d82a7f331803000000030006ffffffffffffffffffffffffffffffffffffffffffffffff01066d6f76656401",
    "000900000002000000080000000004000000100000000000010000018bcfe56800000000000000000c020000000100000000000000000001",
    "001502000000020a6c6f63616c686f7374000071a40000",
  ].join(""),
);
const fetchPartition = {
  partition: 1,
  currentLeaderEpoch: 5,
  fetchOffset: 1000,
  lastFetchedEpoch: 4,
  logStartOffset: 10,
  partitionMaxBytes: 1048576,
  replicaDirectoryId: topicId,
};
const fetch = {
  clusterId: "millrace-1",
  replicaState: { replicaId: 4, replicaEpoch: 6 },
  maxWaitMs: 500,
  minBytes: 1,
  maxBytes: 52428800,
  isolationLevel: 1,
  sessionId: 77,
  sessionEpoch: 3,
  forgottenTopicsData: [{ topicId, partitions: [0, 2] }],
  rackId: "eu-1a",
};
const oldFetch = {
  maxWaitMs: 500,
  minBytes: 1,
  maxBytes: 1000,
  topics: [{ topic: "orders", partitions: [{ partition: 1, fetchOffset: 2, partitionMaxBytes: 100 }] }],
};
golden(
  FetchRequest,
  4,
  oldFetch,
  ["ffffffff000001f400000001000003e8000000000100066f72646572730000000100000001000000000000000200000064"].join(""),
);
golden(
  FetchRequest,
  11,
  oldFetch,
  [
    "ffffffff000001f400000001000003e80000000000ffffffff0000000100066f72646572730000000100000001ffffffff00000000000000",
    "02ffffffffffffffff00000064000000000000",
  ].join(""),
);
golden(
  FetchRequest,
  17,
  { ...fetch, topics: [{ topicId, partitions: [fetchPartition] }] },
  [
    "000001f40000000103200000010000004d0000000302bcb93a08695349ea943176d82a7f331802000000010000000500000000000003e800",
    "000004000000000000000a00100000010010bcb93a08695349ea943176d82a7f33180002bcb93a08695349ea943176d82a7f331803000000",
    "0000000002000665752d316102000b0b6d696c6c726163652d31010d00000004000000000000000600",
  ].join(""),
);
golden(
  FetchRequest,
  18,
  { ...fetch, topics: [{ topicId, partitions: [{ ...fetchPartition, highWatermark: 900 }] }] },
  [
    "000001f40000000103200000010000004d0000000302bcb93a08695349ea943176d82a7f331802000000010000000500000000000003e800",
    "000004000000000000000a00100000020010bcb93a08695349ea943176d82a7f3318010800000000000003840002bcb93a08695349ea9431",
    "76d82a7f3318030000000000000002000665752d316102000b0b6d696c6c726163652d31010d00000004000000000000000600",
  ].join(""),
);
const fetched = {
  sessionId: 77,
  responses: [
    {
      topicId,
      partitions: [
        {
          partitionIndex: 1,
          errorCode: 0,
          highWatermark: 1200,
          lastStableOffset: 1100,
          logStartOffset: 10,
          abortedTransactions: [{ producerId: 4000, firstOffset: 1001 }],
          preferredReadReplica: 2,
          records: [batch.subarray(0, 20), batch.subarray(20)],
        },
        {
          partitionIndex: 2,
          errorCode: 74,
          highWatermark: -1,
          abortedTransactions: null,
          divergingEpoch: { epoch: 3, endOffset: 90 },
          currentLeader: { leaderId: 2, leaderEpoch: 8 },
          snapshotId: { epoch: 1, endOffset: 50 },
          records: null,
        },
      ],
    },
  ],
  nodeEndpoints: [{ nodeId: 2, host: "localhost", port: 29092, rack: "eu-1b" }],
};
golden(
  FetchResponse,
  17,
  fetched,
  [
    "0000000000000000004d02bcb93a08695349ea943176d82a7f33180300000001000000000000000004b0000000000000044c000000000000",
    "000a020000000000000fa000000000000003e900000000024b",
    batchHex,
    "0000000002004affffffffffffffffffffffffffffffffffffffffffffffff00ffffffff0003000d00000003000000000000005a00010900",
    "0000020000000800020d000000000000003200000001000001001a02000000020a6c6f63616c686f7374000071a40665752d316200",
  ].join(""),
);
golden(
  FetchResponse,
  18,
  fetched,
  [
    "0000000000000000004d02bcb93a08695349ea943176d82a7f33180300000001000000000000000004b0000000000000044c000000000000",
    "000a020000000000000fa000000000000003e900000000024b",
    batchHex,
    "0000000002004affffffffffffffffffffffffffffffffffffffffffffffff00ffffffff0003000d00000003000000000000005a00010900",
    "0000020000000800020d000000000000003200000001000001001a02000000020a6c6f63616c686f7374000071a40665752d316200",
  ].join(""),
);
golden(DescribeTopicPartitionsRequest, 0, { topics: [{ name: "orders" }] }, "02076f726465727300000007d0ff00");
golden(
  DescribeTopicPartitionsRequest,
  0,
  { topics: [{ name: "orders" }], cursor: { topicName: "orders", partitionIndex: 4 } },
  "02076f726465727300000007d001076f7264657273000000040000",
);
golden(
  DescribeTopicPartitionsResponse,
  0,
  {
    topics: [
      {
        errorCode: 0,
        name: "orders",
        topicId,
        partitions: [
          { errorCode: 0, partitionIndex: 0, leaderId: 1, replicaNodes: [1], isrNodes: [1], lastKnownElr: [] },
        ],
      },
    ],
    nextCursor: { topicName: "orders", partitionIndex: 2 },
  },
  [
    "00000000020000076f7264657273bcb93a08695349ea943176d82a7f3318000200000000000000000001ffffffff02000000010200000001",
    "00010100800000000001076f7264657273000000020000",
  ].join(""),
);
golden(
  ListOffsetsRequest,
  11,
  {
    timeoutMs: 30000,
    topics: [
      {
        name: "orders",
        partitions: [
          { partitionIndex: 1, timestamp: 1700000000000 },
          { partitionIndex: 2, timestamp: -2 },
        ],
      },
    ],
  },
  ["ffffffff0002076f72646572730300000001ffffffff0000018bcfe568000000000002fffffffffffffffffffffffe00000000753000"].join(
    "",
  ),
);
golden(
  CreateTopicsResponse,
  7,
  {
    topics: [
      {
        name: "orders",
        topicId,
        errorCode: 0,
        errorMessage: null,
        topicConfigErrorCode: 29,
        numPartitions: 3,
        replicationFactor: 1,
        configs: null,
      },
    ],
  },
  "0000000002076f7264657273bcb93a08695349ea943176d82a7f331800000000000003000100010002001d00",
);
golden(FindCoordinatorRequest, 6, { keyType: 1, coordinatorKeys: ["tx-1"] }, "01020574782d3100");
golden(
  InitProducerIdRequest,
  5,
  { transactionalId: null, transactionTimeoutMs: 2147483647 },
  "007fffffffffffffffffffffffffff00",
);

testGoldens(goldens);

test("what the Java client wrote is read with its values", () => {
  const hex = goldens.find(({ title }) => title.startsWith("FetchResponse v18"))?.hex ?? "";
  const response = decode(FetchResponse, 18, Buffer.from(hex, "hex"));
  const [first, second] = response.responses[0]?.partitions ?? [];
  expect(response.sessionId).toBe(77);
  expect(response.responses[0]?.topicId).toBe("vLk6CGlTSeqUMXbYKn8zGA");
  expect(first).toMatchObject({ highWatermark: 1200, lastStableOffset: 1100, preferredReadReplica: 2 });
  expect(first?.records).toEqual(batch);
  expect(second).toMatchObject({ errorCode: 74, abortedTransactions: null, records: null });
  expect(second).toMatchObject({
    divergingEpoch: { epoch: 3, endOffset: 90 },
    snapshotId: { endOffset: 50, epoch: 1 },
  });
  expect(response.nodeEndpoints).toEqual([{ nodeId: 2, host: "localhost", port: 29092, rack: "eu-1b" }]);
});

test("a timestamp of 2^63 - 1 becomes the largest safe integer", () => {
  const hex = "ffffffff0002076f72646572730200000001ffffffff7fffffffffffffff000000007530" + "00";
  const request = decode(ListOffsetsRequest, 11, Buffer.from(hex, "hex"));
  expect(request.topics[0]?.partitions[0]?.timestamp).toBe(Number.MAX_SAFE_INTEGER);
});
