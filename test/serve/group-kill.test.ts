import { expect, test } from "vitest";
import type { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { encodeSubscription } from "#lib/protocol/consumer-protocol.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { createTopic } from "./kafka-calls.ts";
import { ServeProcess, TemporaryDirectory } from "./serve-process.ts";

const { NONE } = ErrorCode;

interface Member {
  readonly groupId: string;
  readonly memberId: string;
  readonly generationId: number;
}

/** The only member of a classic group, with its assignment. */
async function classicMember(connection: KafkaConnection, groupId: string): Promise<Member> {
  const { memberId, generationId } = await connection.send(Apis.JOIN_GROUP, 3, {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 60_000,
    memberId: "",
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: encodeSubscription({ topics: ["t"] }) }],
  });
  const assignments = [{ memberId, assignment: Uint8Array.of(1, 2, 3) }];
  await connection.send(Apis.SYNC_GROUP, 3, { groupId, generationId, memberId, assignments });
  return { groupId, memberId, generationId };
}

function beat(connection: KafkaConnection, memberId: string, memberEpoch: number) {
  const joining = { rebalanceTimeoutMs: 60_000, topicPartitions: [], subscribedTopicNames: ["t"] };
  const fields = memberEpoch === 0 ? joining : {};
  return connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, { groupId: "modern", memberId, memberEpoch, ...fields });
}

async function commit(connection: KafkaConnection, member: Member, offset: number): Promise<number | undefined> {
  const { groupId, memberId, generationId: generationIdOrMemberEpoch } = member;
  const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: `at ${offset}` }];
  const topics = [{ name: "t", partitions }];
  const request = { groupId, memberId, generationIdOrMemberEpoch, topics };
  return (await connection.send(Apis.OFFSET_COMMIT, 9, request)).topics[0]?.partitions[0]?.errorCode;
}

async function offsets(connection: KafkaConnection, ...groupIds: readonly string[]) {
  const groups = groupIds.map((groupId) => ({ groupId, topics: null }));
  const answer = await connection.send(Apis.OFFSET_FETCH, 8, { groups, requireStable: true });
  return answer.groups.map(({ topics }) =>
    topics.flatMap(({ partitions }) => partitions.map(({ committedOffset, metadata }) => [committedOffset, metadata])),
  );
}

/** Commits one offset after the other until the broker is gone; the last one that was acknowledged. */
async function commitUntilKilled(connection: KafkaConnection, member: Member): Promise<number> {
  for (let offset = 1; ; offset++) {
    try {
      expect(await commit(connection, member, offset)).toBe(NONE);
    } catch (error) {
      if (connection.isOpen) throw error;
      return offset - 1;
    }
  }
}

test("after kill -9 the offsets that were acknowledged are there, and members go on in their generation", async () => {
  using directory = new TemporaryDirectory();
  const args = ["--broker-config", "group.initial.rebalance.delay.ms=0"];
  const options = { dataDir: directory.path, args };
  await using killed = await ServeProcess.start(options);
  await using connection = await killed.connect();
  await createTopic(connection, "t", 4);
  const classic = await classicMember(connection, "classic");
  const joined = await beat(connection, "m", 0);
  expect([joined.errorCode, joined.assignment?.topicPartitions[0]?.partitions]).toEqual([NONE, [0, 1, 2, 3]]);
  const modern = { groupId: "modern", memberId: "m", generationId: joined.memberEpoch };
  await using other = await killed.connect();
  const committing = [commitUntilKilled(connection, classic), commitUntilKilled(other, modern)];
  await new Promise((resolve) => setTimeout(resolve, 300));
  await killed.stop("SIGKILL");
  const acknowledged = await Promise.all(committing);
  expect(Math.min(...acknowledged)).toBeGreaterThan(0);

  await using restarted = await ServeProcess.start(options);
  await using again = await restarted.connect();
  const found = await offsets(again, "classic", "modern");
  for (const [index, last] of acknowledged.entries()) {
    // At most the one without an answer may have made it too.
    expect([last, last + 1].map((offset) => [[offset, `at ${offset}`]])).toContainEqual(found[index]);
  }
  for (const offset of [1_000_001, 1_000_002]) {
    expect((await again.send(Apis.HEARTBEAT, 4, classic)).errorCode).toBe(NONE);
    const { errorCode, memberEpoch, assignment } = await beat(again, "m", joined.memberEpoch);
    expect([errorCode, memberEpoch, assignment]).toEqual([NONE, joined.memberEpoch, null]);
    expect(await commit(again, classic, offset)).toBe(NONE);
    expect(await commit(again, modern, offset)).toBe(NONE);
  }
  const { groups } = await again.send(Apis.DESCRIBE_GROUPS, 5, { groups: ["classic"] });
  expect(groups[0]).toMatchObject({ groupState: "Stable", members: [{ memberId: classic.memberId }] });
  // As many generations as before: nobody had to join again.
  const synced = await again.send(Apis.SYNC_GROUP, 3, { ...classic, assignments: [] });
  expect([synced.errorCode, [...synced.assignment]]).toEqual([NONE, [1, 2, 3]]);
});
