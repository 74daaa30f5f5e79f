import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { decodeAssignment, encodeAssignment } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GroupClient } from "./group-client.ts";

// Groups that change between the two protocols while they have members, as clients see it.

const { NONE, GROUP_ID_NOT_FOUND, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID } = ErrorCode;
const POLICIES = { disabled: "", upgrade: "up", downgrade: "down", bidirectional: "up down" } as const;

function started(policy: string): Promise<GroupClient> {
  return GroupClient.start({ "group.consumer.migration.policy": policy });
}

async function heartbeat(client: GroupClient, groupId: string, memberEpoch: number) {
  const joining = { rebalanceTimeoutMs: 60_000, topicPartitions: [], subscribedTopicNames: ["orders"] };
  const fields = memberEpoch === 0 ? joining : {};
  return client.connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, { groupId, memberId: "m", memberEpoch, ...fields });
}

async function typeOf(client: GroupClient, groupId: string): Promise<string | undefined> {
  const { groups } = await client.connection.send(Apis.LIST_GROUPS, 5, {});
  return groups.find((group) => group.groupId === groupId)?.groupType;
}

interface Classic {
  readonly groupId: string;
  readonly memberId: string;
  readonly generationId: number;
}

/** A classic member that has all partitions. */
async function classicMember(client: GroupClient, groupId: string): Promise<Classic> {
  const { memberId, generationId } = await client.join({ groupId }, 3);
  const assignment = encodeAssignment({ assignedPartitions: [{ topic: "orders", partitions: [0, 1, 2, 3] }] });
  const member = { groupId, memberId, generationId };
  await client.connection.send(Apis.SYNC_GROUP, 3, { ...member, assignments: [{ memberId, assignment }] });
  return member;
}

async function classicHeartbeat(client: GroupClient, member: Classic): Promise<number> {
  return (await client.connection.send(Apis.HEARTBEAT, 4, member)).errorCode;
}

/** What a classic member owns of the topic once it has joined again, as often as it is told to. */
async function rejoined(client: GroupClient, { groupId, memberId }: Classic): Promise<readonly number[]> {
  for (let round = 0; round < 5; round++) {
    const { generationId } = await client.join({ groupId, memberId }, 5);
    const member = { groupId, memberId, generationId };
    const { assignment } = await client.connection.send(Apis.SYNC_GROUP, 3, { ...member, assignments: [] });
    if ((await classicHeartbeat(client, member)) !== NONE || assignment.byteLength === 0) continue;
    return decodeAssignment(assignment).assignedPartitions.flatMap(({ partitions }) => partitions);
  }
  return [];
}

test.each(Object.entries(POLICIES))("under policy %s", async (policy, ways) => {
  await using client = await started(policy);
  await client.createTopic("orders", 4);

  // Up: a member of the consumer protocol comes to a classic group.
  await classicMember(client, "rising");
  const mayRise = ways.includes("up");
  const { errorCode } = await heartbeat(client, "rising", 0);
  expect(errorCode).toBe(mayRise ? NONE : GROUP_ID_NOT_FOUND);
  expect(await typeOf(client, "rising")).toBe(mayRise ? "consumer" : "classic");

  // Down: the last one leaves a consumer group with a classic member.
  await heartbeat(client, "falling", 0);
  const reserved = await client.join({ groupId: "falling" }, 5);
  const joined = await client.join({ groupId: "falling", memberId: reserved.memberId }, 5);
  expect([joined.errorCode, joined.protocolName, joined.leader]).toEqual([NONE, "range", ""]);
  const member = { groupId: "falling", memberId: joined.memberId, generationId: joined.generationId };
  expect((await heartbeat(client, "falling", -1)).errorCode).toBe(NONE);
  const mayFall = ways.includes("down");
  expect(await typeOf(client, "falling")).toBe(mayFall ? "classic" : "consumer");
  // A member that is alone in a classic group leads it, and gets what it assigns to itself: here nothing.
  expect(await rejoined(client, member)).toEqual(mayFall ? [] : [0, 1, 2, 3]);
});

test("members of a downgraded group hear it by their heartbeat, join a round, and go on", async () => {
  await using client = await started("bidirectional");
  await client.createTopic("orders", 4);
  // Nobody reads it, so everybody may commit for it.
  await client.createTopic("others", 1);
  await heartbeat(client, "falling", 0);
  const first = await client.join({ groupId: "falling" }, 3);
  const member = { groupId: "falling", memberId: first.memberId, generationId: first.generationId };
  expect(await client.commit("falling", 3, { ...member, topic: "others" })).toBe(NONE);
  // At its present epoch it may commit for partitions of others too, as on Kafka.
  expect(await client.commit("falling", 3, member)).toBe(NONE);
  expect((await heartbeat(client, "falling", -1)).errorCode).toBe(NONE);
  expect([REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION]).toContain(await classicHeartbeat(client, member));
  const second = await client.join({ groupId: "falling", memberId: first.memberId }, 3);
  expect(second).toMatchObject({ errorCode: NONE, leader: first.memberId, protocolName: "range" });
  expect(second.generationId).toBeGreaterThan(first.generationId);
  // A late commit of the time before counts no more.
  expect(await client.commit("falling", 9, { ...member, topic: "others" })).toBe(ErrorCode.ILLEGAL_GENERATION);
  expect((await heartbeat(client, "falling", first.generationId)).errorCode).toBe(GROUP_ID_NOT_FOUND);
  expect(await client.offsets("falling")).toEqual([
    ["others", 0, 3],
    ["orders", 0, 3],
  ]);
});

test("a broker that is told to speak the classic protocol alone has no consumer groups", async () => {
  await using client = await GroupClient.start({ "group.coordinator.rebalance.protocols": "classic" });
  await client.createTopic("orders", 4);
  expect((await heartbeat(client, "readers", 0)).errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
  const asked = { groupIds: ["readers"], includeAuthorizedOperations: false };
  const { groups } = await client.connection.send(Apis.CONSUMER_GROUP_DESCRIBE, 1, asked);
  expect(groups[0]?.errorCode).toBe(ErrorCode.UNSUPPORTED_VERSION);
  const { memberId, generationId } = await client.onlyMember("readers");
  expect(await classicHeartbeat(client, { groupId: "readers", memberId, generationId })).toBe(NONE);
  expect(await classicHeartbeat(client, { groupId: "readers", memberId: "m", generationId })).toBe(UNKNOWN_MEMBER_ID);
});
