import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { InferInput } from "#lib/protocol/schema.ts";
import { defined } from "#lib/util/assert.ts";
import { GroupClient } from "./group-client.ts";

const { NONE } = ErrorCode;
type HeartbeatFields = InferInput<(typeof Apis.CONSUMER_GROUP_HEARTBEAT)["request"]["fields"]>;

const JOINING = { memberEpoch: 0, rebalanceTimeoutMs: 60_000, topicPartitions: [] };

async function heartbeat(client: GroupClient, fields: Partial<HeartbeatFields> & { readonly memberId: string }) {
  return client.connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, { groupId: "readers", memberEpoch: 0, ...fields });
}

/** The partitions of an answer, by topic id. */
function partitionsOf(answer: Awaited<ReturnType<typeof heartbeat>>): readonly number[] | undefined {
  return answer.assignment?.topicPartitions.flatMap(({ partitions }) => partitions);
}

async function started(): Promise<GroupClient> {
  const client = await GroupClient.start();
  await client.createTopic("orders", 4);
  return client;
}

test("a member that joins has its partitions in the first answer", async () => {
  await using client = await started();
  const joined = await heartbeat(client, { ...JOINING, memberId: "a", subscribedTopicNames: ["orders"] });
  expect(joined).toMatchObject({ errorCode: NONE, memberId: "a", heartbeatIntervalMs: 5_000 });
  expect(joined.memberEpoch).toBeGreaterThan(0);
  expect(partitionsOf(joined)).toEqual([0, 1, 2, 3]);
  const again = await heartbeat(client, { memberId: "a", memberEpoch: joined.memberEpoch });
  expect([again.errorCode, again.memberEpoch, again.assignment]).toEqual([NONE, joined.memberEpoch, null]);
});

test("a second member gets what the first one gives up, and both are described", async () => {
  await using client = await started();
  const topicId = defined(client.memory.broker.services.cluster.topicByName("orders")).topicId;
  const owning = (partitions: readonly number[]) => [{ topicId, partitions: [...partitions] }];
  let a = await heartbeat(client, { ...JOINING, memberId: "a", subscribedTopicNames: ["orders"] });
  let b = await heartbeat(client, { ...JOINING, memberId: "b", subscribedTopicRegex: "ord.*" });
  expect(partitionsOf(b)).toEqual([]);
  a = await heartbeat(client, { memberId: "a", memberEpoch: a.memberEpoch, topicPartitions: owning([0, 1, 2, 3]) });
  const kept = defined(partitionsOf(a));
  expect(kept).toHaveLength(2);
  a = await heartbeat(client, { memberId: "a", memberEpoch: a.memberEpoch, topicPartitions: owning(kept) });
  b = await heartbeat(client, { memberId: "b", memberEpoch: b.memberEpoch, topicPartitions: [] });
  expect([...kept, ...defined(partitionsOf(b))].sort()).toEqual([0, 1, 2, 3]);
  const describe = { groupIds: ["readers", "nobody"], includeAuthorizedOperations: false };
  const { groups } = await client.connection.send(Apis.CONSUMER_GROUP_DESCRIBE, 1, describe);
  expect(groups[0]).toMatchObject({ errorCode: NONE, groupState: "Stable", assignorName: "uniform" });
  expect(groups[0]?.members.map(({ memberId, subscribedTopicRegex }) => [memberId, subscribedTopicRegex])).toEqual([
    ["a", null],
    ["b", "ord.*"],
  ]);
  expect(groups[1]?.errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
  const left = await heartbeat(client, { memberId: "b", memberEpoch: -1 });
  expect([left.errorCode, left.memberEpoch]).toEqual([NONE, -1]);
  a = await heartbeat(client, { memberId: "a", memberEpoch: a.memberEpoch });
  expect(partitionsOf(a)).toEqual([0, 1, 2, 3]);
});

test("requests that make no sense are refused, with Kafka's words", async () => {
  await using client = await started();
  const refusal = async (fields: Partial<HeartbeatFields>) => {
    const { errorCode, errorMessage } = await heartbeat(client, { ...JOINING, memberId: "a", ...fields });
    return [errorCode, errorMessage];
  };
  const names = { subscribedTopicNames: ["orders"] };
  const { INVALID_REQUEST, UNSUPPORTED_ASSIGNOR, INVALID_REGULAR_EXPRESSION } = ErrorCode;
  expect(await refusal({ ...names, groupId: "" })).toEqual([INVALID_REQUEST, "GroupId can't be empty."]);
  expect(await refusal({ ...names, memberId: "" })).toEqual([INVALID_REQUEST, "MemberId can't be empty."]);
  expect(await refusal({ ...names, memberEpoch: -3 })).toEqual([INVALID_REQUEST, "MemberEpoch is invalid."]);
  expect((await refusal({}))[0]).toBe(INVALID_REQUEST);
  expect((await refusal({ ...names, topicPartitions: null }))[0]).toBe(INVALID_REQUEST);
  expect((await refusal({ ...names, rebalanceTimeoutMs: -1 }))[0]).toBe(INVALID_REQUEST);
  expect((await refusal({ ...names, serverAssignor: "magic" }))[0]).toBe(UNSUPPORTED_ASSIGNOR);
  expect((await refusal({ subscribedTopicRegex: "(" }))[0]).toBe(INVALID_REGULAR_EXPRESSION);
  expect((await refusal({ subscribedTopicRegex: "(((a{1000}){1000}){1000}){1000}" }))[0]).toBe(
    INVALID_REGULAR_EXPRESSION,
  );
  expect((await refusal({ memberEpoch: 5, ...names }))[0]).not.toBe(NONE);
});

test("members' offsets are theirs by member epoch", async () => {
  await using client = await started();
  const { memberEpoch } = await heartbeat(client, { ...JOINING, memberId: "a", subscribedTopicNames: ["orders"] });
  const commit = async (epoch: number, version = 9) => {
    const partition = { partitionIndex: 0, committedOffset: 4, committedMetadata: null };
    const answer = await client.connection.send(Apis.OFFSET_COMMIT, version, {
      groupId: "readers",
      generationIdOrMemberEpoch: epoch,
      memberId: "a",
      topics: [{ name: "orders", partitions: [partition] }],
    });
    return answer.topics[0]?.partitions[0]?.errorCode;
  };
  expect(await commit(memberEpoch)).toBe(NONE);
  expect(await commit(memberEpoch - 1)).toBe(ErrorCode.STALE_MEMBER_EPOCH);
  expect(await commit(memberEpoch, 8)).toBe(ErrorCode.UNSUPPORTED_VERSION);
  const fetch = async (fields: object) => {
    const groups = [{ groupId: "readers", topics: null, ...fields }];
    return (await client.connection.send(Apis.OFFSET_FETCH, 9, { groups, requireStable: true })).groups[0]?.errorCode;
  };
  expect(await fetch({ memberId: "a", memberEpoch })).toBe(NONE);
  expect(await fetch({ memberId: "a", memberEpoch: memberEpoch + 1 })).toBe(ErrorCode.STALE_MEMBER_EPOCH);
  expect(await fetch({ memberId: "stranger", memberEpoch })).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  expect(await fetch({ groupId: "nobody", memberId: "a", memberEpoch })).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
});
