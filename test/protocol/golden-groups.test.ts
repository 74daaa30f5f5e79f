import { expect, test } from "vitest";
import { decode } from "#lib/protocol/codec.ts";
import { ConsumerGroupDescribeResponse, MemberType } from "#lib/protocol/messages/consumer-group-describe.ts";
import {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
  MemberEpoch,
} from "#lib/protocol/messages/consumer-group-heartbeat.ts";
import { DescribeGroupsResponse } from "#lib/protocol/messages/describe-groups.ts";
import { JoinGroupRequest, JoinGroupResponse } from "#lib/protocol/messages/join-group.ts";
import { LeaveGroupRequest } from "#lib/protocol/messages/leave-group.ts";
import { ListGroupsRequest, ListGroupsResponse } from "#lib/protocol/messages/list-groups.ts";
import { SyncGroupRequest, SyncGroupResponse } from "#lib/protocol/messages/sync-group.ts";
import { uuidFromBytes } from "#lib/util/branded.ts";
import { goldenList, testGoldens } from "./golden.ts";

// The bytes were written by the message classes of Apache Kafka's Java client 4.3.1, as those of
// golden-java.test.ts were.

const { goldens, golden } = goldenList();
const topicId = uuidFromBytes(Buffer.from("bcb93a08695349ea943176d82a7f3318", "hex"));
const bytesOf = (...values: number[]) => Uint8Array.from(values);

const join = {
  groupId: "readers",
  sessionTimeoutMs: 45_000,
  rebalanceTimeoutMs: 300_000,
  memberId: "m-1",
  protocolType: "consumer",
  protocols: [
    { name: "range", metadata: bytesOf(0, 1, 2) },
    { name: "sticky", metadata: bytesOf() },
  ],
  reason: "rebooted",
};
golden(
  JoinGroupRequest,
  0,
  join,
  [
    "0007726561646572730000afc800036d2d310008636f6e73756d657200000002000572616e6765000000030001020006737469636b790000",
    "0000",
  ].join(""),
);
golden(
  JoinGroupRequest,
  1,
  join,
  [
    "0007726561646572730000afc8000493e000036d2d310008636f6e73756d657200000002000572616e676500000003000102000673746963",
    "6b7900000000",
  ].join(""),
);
golden(
  JoinGroupRequest,
  5,
  { ...join, groupInstanceId: "i-1" },
  [
    "0007726561646572730000afc8000493e000036d2d310003692d310008636f6e73756d657200000002000572616e67650000000300010200",
    "06737469636b7900000000",
  ].join(""),
);
golden(
  JoinGroupRequest,
  9,
  { ...join, groupInstanceId: "i-1" },
  [
    "08726561646572730000afc8000493e0046d2d3104692d3109636f6e73756d6572030672616e6765040001020007737469636b7901000972",
    "65626f6f74656400",
  ].join(""),
);
const joinedGroup = {
  throttleTimeMs: 3,
  errorCode: 0,
  generationId: 8,
  protocolType: "consumer",
  protocolName: "range",
  leader: "m-1",
  memberId: "m-2",
  members: [{ memberId: "m-1", groupInstanceId: "i-1", metadata: bytesOf(5, 6) }],
};
golden(
  JoinGroupResponse,
  0,
  joinedGroup,
  "000000000008000572616e676500036d2d3100036d2d320000000100036d2d31000000020506",
);
golden(
  JoinGroupResponse,
  2,
  joinedGroup,
  "00000003000000000008000572616e676500036d2d3100036d2d320000000100036d2d31000000020506",
);
golden(
  JoinGroupResponse,
  5,
  joinedGroup,
  "00000003000000000008000572616e676500036d2d3100036d2d320000000100036d2d310003692d31000000020506",
);
golden(
  JoinGroupResponse,
  9,
  { ...joinedGroup, skipAssignment: true },
  "0000000300000000000809636f6e73756d65720672616e6765046d2d3101046d2d3202046d2d3104692d310305060000",
);

const protocol = { protocolType: "consumer", protocolName: "range" };
const sync = {
  ...protocol,
  groupId: "readers",
  generationId: 8,
  memberId: "m-1",
  assignments: [{ memberId: "m-2", assignment: bytesOf(7, 8) }],
};
golden(SyncGroupRequest, 0, sync, "0007726561646572730000000800036d2d310000000100036d2d32000000020708");
golden(
  SyncGroupRequest,
  5,
  sync,
  "087265616465727300000008046d2d310009636f6e73756d65720672616e676502046d2d320307080000",
);
const synced = { ...protocol, throttleTimeMs: 3, errorCode: 0, assignment: bytesOf(7, 8) };
golden(SyncGroupResponse, 0, synced, "0000000000020708");
golden(SyncGroupResponse, 5, synced, "00000003000009636f6e73756d65720672616e676503070800");

const leave = { groupId: "readers", members: [{ memberId: "", groupInstanceId: "i-1", reason: "bye" }] };
golden(LeaveGroupRequest, 2, { groupId: "readers", memberId: "m-1" }, "00077265616465727300036d2d31");
golden(LeaveGroupRequest, 3, leave, "0007726561646572730000000100000003692d31");
golden(LeaveGroupRequest, 5, leave, "0872656164657273020104692d31046279650000");

const described = {
  throttleTimeMs: 3,
  groups: [
    {
      errorCode: 0,
      groupId: "readers",
      groupState: "Stable",
      protocolType: "consumer",
      protocolData: "range",
      members: [
        {
          memberId: "m-1",
          groupInstanceId: "i-1",
          clientId: "c",
          clientHost: "/127.0.0.1",
          memberMetadata: bytesOf(1),
          memberAssignment: bytesOf(2, 3),
        },
      ],
    },
  ],
};
golden(
  DescribeGroupsResponse,
  0,
  described,
  [
    "0000000100000007726561646572730006537461626c650008636f6e73756d6572000572616e67650000000100036d2d31000163000a2f31",
    "32372e302e302e310000000101000000020203",
  ].join(""),
);
golden(
  DescribeGroupsResponse,
  4,
  described,
  [
    "000000030000000100000007726561646572730006537461626c650008636f6e73756d6572000572616e67650000000100036d2d31000369",
    "2d31000163000a2f3132372e302e302e31000000010100000002020380000000",
  ].join(""),
);
golden(
  DescribeGroupsResponse,
  6,
  described,
  [
    "0000000302000000087265616465727307537461626c6509636f6e73756d65720672616e676502046d2d3104692d3102630b2f3132372e30",
    "2e302e31020103020300800000000000",
  ].join(""),
);

const listed = { groupId: "readers", protocolType: "consumer", groupState: "Stable", groupType: "classic" };
golden(
  ListGroupsRequest,
  5,
  { statesFilter: ["Stable"], typesFilter: ["consumer"] },
  "0207537461626c650209636f6e73756d657200",
);
golden(ListGroupsResponse, 0, { errorCode: 0, groups: [listed] }, "0000000000010007726561646572730008636f6e73756d6572");
golden(
  ListGroupsResponse,
  5,
  { errorCode: 0, groups: [listed] },
  "00000000000002087265616465727309636f6e73756d657207537461626c6508636c61737369630000",
);

golden(
  ConsumerGroupHeartbeatRequest,
  0,
  {
    groupId: "readers",
    memberId: "m-1",
    memberEpoch: MemberEpoch.JOIN,
    instanceId: "i-1",
    rackId: "eu-1a",
    rebalanceTimeoutMs: 300_000,
    subscribedTopicNames: ["orders"],
    serverAssignor: "uniform",
    topicPartitions: [],
  },
  "0872656164657273046d2d310000000004692d310665752d3161000493e002076f726465727308756e69666f726d0100",
);
const owned = [{ topicId, partitions: [1, 2] }];
golden(
  ConsumerGroupHeartbeatRequest,
  1,
  {
    groupId: "readers",
    memberId: "m-1",
    memberEpoch: MemberEpoch.LEAVE_STATIC,
    subscribedTopicRegex: "ord.*",
    topicPartitions: owned,
  },
  [
    "0872656164657273046d2d31fffffffe0000ffffffff00066f72642e2a0002bcb93a08695349ea943176d82a7f3318030000000100000002",
    "0000",
  ].join(""),
);
golden(
  ConsumerGroupHeartbeatResponse,
  1,
  {
    errorCode: 0,
    memberId: "m-1",
    memberEpoch: 8,
    heartbeatIntervalMs: 5000,
    assignment: { topicPartitions: owned },
  },
  "00000000000000046d2d3100000008000013880102bcb93a08695349ea943176d82a7f3318030000000100000002000000",
);

const describedConsumers = {
  groups: [
    {
      errorCode: 0,
      groupId: "readers",
      groupState: "Reconciling",
      groupEpoch: 9,
      assignmentEpoch: 8,
      assignorName: "uniform",
      members: [
        {
          memberId: "m-1",
          memberEpoch: 8,
          clientId: "c",
          clientHost: "/127.0.0.1",
          subscribedTopicNames: ["orders"],
          assignment: { topicPartitions: [{ topicId, topicName: "orders", partitions: [1] }] },
          targetAssignment: { topicPartitions: [] },
          memberType: MemberType.CONSUMER,
        },
      ],
      authorizedOperations: 264,
    },
  ],
};
golden(
  ConsumerGroupDescribeResponse,
  0,
  describedConsumers,
  [
    "000000000200000008726561646572730c5265636f6e63696c696e67000000090000000808756e69666f726d02046d2d3100000000000802",
    "630b2f3132372e302e302e3102076f72646572730002bcb93a08695349ea943176d82a7f3318076f72646572730200000001000001000000",
    "0001080000",
  ].join(""),
);
golden(
  ConsumerGroupDescribeResponse,
  1,
  describedConsumers,
  [
    "000000000200000008726561646572730c5265636f6e63696c696e67000000090000000808756e69666f726d02046d2d3100000000000802",
    "630b2f3132372e302e302e3102076f72646572730002bcb93a08695349ea943176d82a7f3318076f72646572730200000001000001000100",
    "000001080000",
  ].join(""),
);

testGoldens(goldens);

const hexOf = (title: string) => Buffer.from(goldens.find((each) => each.title.startsWith(title))?.hex ?? "", "hex");

test("a member's metadata is a view of the frame", () => {
  const frame = hexOf("JoinGroupRequest v0");
  const [first] = decode(JoinGroupRequest, 0, frame).protocols;
  expect(first?.metadata.buffer).toBe(frame.buffer);
  expect([...(first?.metadata ?? [])]).toEqual([0, 1, 2]);
});
