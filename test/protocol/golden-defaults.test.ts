import { expect, test } from "vitest";
import { ALL_APIS } from "#lib/protocol/apis.ts";
import { encode } from "#lib/protocol/codec.ts";
import type { Fields } from "#lib/protocol/schema.ts";
import { includesVersion } from "#lib/protocol/versions.ts";
import { joined } from "./arbitrary.ts";

// Defaults, as the Java client 4.3.1 has them. For each message a program took `new FetchRequestData()` and its like, put
// one new element into every list of structs, recursively, set nothing else, and printed the bytes of the highest version.
const WRITTEN: Record<string, [version: number, hex: string]> = {
  ApiVersionsRequest: [4, "010100"],
  ApiVersionsResponse: [4, "000002000000000000000000000002000702010000000000020702010000000000"],
  MetadataRequest: [13, "02000000000000000000000000000000000100010000"],
  MetadataResponse: [
    13,
    "0000000002000000000100000000000000ffffffff0200000100000000000000000000000000000000000200000000000000000000ffffffff010101008000000000000000",
  ],
  ProduceRequest: [13, "000000000000000200000000000000000000000000000000020000000000000000"],
  ProduceResponse: [
    13,
    "0200000000000000000000000000000000020000000000000000000000000000ffffffffffffffffffffffffffffffff020000000000000000000000000001000c020000000001000000000000",
  ],
  FetchRequest: [
    18,
    "00000000000000007fffffff0000000000ffffffff02000000000000000000000000000000000200000000ffffffff0000000000000000ffffffffffffffffffffffff000000000000020000000000000000000000000000000001000100",
  ],
  FetchResponse: [
    18,
    "000000000000000000000200000000000000000000000000000000020000000000000000000000000000ffffffffffffffffffffffffffffffff020000000000000000000000000000000000ffffffff00000001000c020000000001000000000000",
  ],
  ListOffsetsRequest: [11, "000000000002010200000000ffffffff000000000000000000000000000000"],
  ListOffsetsResponse: [11, "00000000020102000000000000ffffffffffffffffffffffffffffffffffffffff000000"],
  CreateTopicsRequest: [7, "02010000000000000200000000010002010100000000ea600000"],
  CreateTopicsResponse: [7, "00000000020100000000000000000000000000000000000001ffffffffffff02010100ff00000000"],
  DeleteTopicsRequest: [6, "020000000000000000000000000000000000000000000000"],
  DeleteTopicsResponse: [6, "000000000201000000000000000000000000000000000000000000"],
  CreatePartitionsRequest: [3, "02010000000002010000000000000000"],
  CreatePartitionsResponse: [3, "0000000002010000000000"],
  DescribeTopicPartitionsRequest: [0, "020100000007d0ff00"],
  DescribeTopicPartitionsResponse: [
    0,
    "000000000200000100000000000000000000000000000000000200000000000000000000ffffffff0101000001008000000000ff00",
  ],
  DescribeClusterRequest: [2, "00010000"],
  DescribeClusterResponse: [2, "000000000000000101ffffffff020000000001000000000000008000000000"],
  InitProducerIdRequest: [6, "0100000000ffffffffffffffffffff000000"],
  InitProducerIdResponse: [6, "000000000000ffffffffffffffff0000ffffffffffffffffffff00"],
  OffsetForLeaderEpochRequest: [4, "fffffffe02010200000000ffffffff00000000000000"],
  OffsetForLeaderEpochResponse: [4, "00000000020102000000000000ffffffffffffffffffffffff000000"],
  DescribeConfigsRequest: [4, "0200010100000000"],
  DescribeConfigsResponse: [4, "0000000002000001000102010100ff0002010100000001000000"],
  IncrementalAlterConfigsRequest: [1, "0200010201000100000000"],
  IncrementalAlterConfigsResponse: [1, "000000000200000100010000"],
  AlterConfigsRequest: [2, "02000102010100000000"],
  AlterConfigsResponse: [2, "000000000200000100010000"],
  DescribeAclsRequest: [3, "0001030101000000"],
  DescribeAclsResponse: [3, "00000000000001020001030201010000000000"],
  DeleteRecordsRequest: [2, "02010200000000000000000000000000000000000000"],
  DeleteRecordsResponse: [2, "000000000201020000000000000000000000000000000000"],
  DescribeProducersRequest: [0, "0201010000"],
  DescribeProducersResponse: [
    0,
    "000000000201020000000000000002000000000000000000000000ffffffffffffffffffffffff00000000ffffffffffffffff00000000",
  ],
  DescribeLogDirsRequest: [5, "0201010000"],
  DescribeLogDirsResponse: [
    5,
    "000000000000020000010201020000000000000000000000000000000000000000000000ffffffffffffffffffffffffffffffff000000",
  ],
  ElectLeadersRequest: [2, "00020101000000ea6000"],
  ElectLeadersResponse: [2, "00000000000002010200000000000001000000"],
  AlterPartitionReassignmentsRequest: [1, "0000ea60010201020000000000000000"],
  AlterPartitionReassignmentsResponse: [1, "000000000100000102010200000000000001000000"],
  ListPartitionReassignmentsRequest: [0, "0000ea600201010000"],
  ListPartitionReassignmentsResponse: [0, "0000000000000102010200000000010101000000"],
  DescribeClientQuotasRequest: [1, "02010001000000"],
  DescribeClientQuotasResponse: [1, "00000000000001020201010002010000000000000000000000"],
  FindCoordinatorRequest: [6, "000100"],
  FindCoordinatorResponse: [6, "0000000002010000000001000000000000010000"],
  OffsetCommitRequest: [
    10,
    "01ffffffff0100020000000000000000000000000000000002000000000000000000000000ffffffff01000000",
  ],
  OffsetCommitResponse: [10, "00000000020000000000000000000000000000000002000000000000000000"],
  OffsetFetchRequest: [10, "020100ffffffff02000000000000000000000000000000000100000000"],
  OffsetFetchResponse: [
    10,
    "000000000201020000000000000000000000000000000002000000000000000000000000ffffffff010000000000000000",
  ],
  JoinGroupRequest: [9, "0100000000ffffffff010001020101000000"],
  JoinGroupResponse: [9, "000000000000ffffffff0001010001020100010000"],
  HeartbeatRequest: [4, "0100000000010000"],
  HeartbeatResponse: [4, "00000000000000"],
  LeaveGroupRequest: [5, "01020100000000"],
  LeaveGroupResponse: [5, "00000000000002010100000000"],
  SyncGroupRequest: [5, "0100000000010000000201010000"],
  SyncGroupResponse: [5, "00000000000000000100"],
  DescribeGroupsRequest: [6, "010000"],
  DescribeGroupsResponse: [6, "0000000002000000010101010201000101010100800000000000"],
  ListGroupsRequest: [5, "010100"],
  ListGroupsResponse: [5, "00000000000002010101010000"],
  DeleteGroupsRequest: [2, "0100"],
  DeleteGroupsResponse: [2, "00000000020100000000"],
  OffsetDeleteRequest: [0, "00000000000100000000000100000000"],
  OffsetDeleteResponse: [0, "00000000000000000001000000000001000000000000"],
  ConsumerGroupHeartbeatRequest: [1, "0101000000000000ffffffff0000000200000000000000000000000000000000010000"],
  ConsumerGroupHeartbeatResponse: [1, "00000000000000000000000000000000ff00"],
  ConsumerGroupDescribeRequest: [1, "010000"],
  ConsumerGroupDescribeResponse: [
    1,
    "0000000002000000010100000000000000000102010000000000000101010001000100ff00800000000000",
  ],
};

/** One element in every list of structs, and nothing else. */
function sparse(fields: Fields, version: number): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [name, { type, versions }] of Object.entries(fields)) {
    if (type.kind !== "array" || type.element.kind !== "struct" || !includesVersion(versions, version)) continue;
    input[name] = [sparse(type.element.fields, version)];
  }
  return input;
}

test.each(ALL_APIS.flatMap(({ request, response }) => [request, response]))("$name has Kafka's defaults", (message) => {
  const [version, hex] = WRITTEN[message.name] ?? [-1, ""];
  expect(message.validVersions.max).toBe(version);
  // A replica id of 0 would be a broker's; Kafka's clients always set it, and here -1, a consumer, is the default.
  const input = {
    ...sparse(message.fields, version),
    ...(message.name === "ListOffsetsRequest" ? { replicaId: 0 } : {}),
  };
  expect(Buffer.from(joined(encode(message, version, input))).toString("hex")).toBe(hex);
});
