import { expect, test } from "vitest";
import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { startMemoryBroker } from "../support/memory-broker.ts";
import { GroupClient } from "./group-client.ts";

// Two whole brokers over one journal service and one store, both of which serve the same groups.

const { NONE } = ErrorCode;

/** Starts brokers 0 and 1, with a connection to each. */
async function startTwo(): Promise<readonly [GroupClient, GroupClient]> {
  const clock = new SystemClock();
  const journals = new MemoryJournalService(clock);
  const objects = new MemoryObjectService(clock);
  const start = async (brokerId: number) => {
    const memory = await startMemoryBroker({
      brokerId,
      brokerConfigs: { "group.initial.rebalance.delay.ms": "0" },
      journal: new MemoryJournal(journals, NO_JOURNAL_FAULTS, `broker-${brokerId}`),
      store: new MemoryObjectStore(objects, { clock }),
    });
    return GroupClient.to(memory);
  };
  return [await start(0), await start(1)];
}

function beat({ connection }: GroupClient, memberId: string, memberEpoch: number) {
  const joining = { rebalanceTimeoutMs: 60_000, topicPartitions: [], subscribedTopicNames: ["orders"] };
  const fields = memberEpoch === 0 ? joining : {};
  return connection.send(Apis.CONSUMER_GROUP_HEARTBEAT, 1, { groupId: "modern", memberId, memberEpoch, ...fields });
}

async function commitAs({ connection }: GroupClient, memberEpoch: number, offset: number): Promise<number | undefined> {
  const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }];
  const request = { groupId: "modern", memberId: "m", generationIdOrMemberEpoch: memberEpoch };
  const answer = await connection.send(Apis.OFFSET_COMMIT, 9, { ...request, topics: [{ name: "orders", partitions }] });
  return answer.topics[0]?.partitions[0]?.errorCode;
}

test("each broker names itself as the coordinator", async () => {
  const [here, there] = await startTwo();
  await using _here = here;
  await using _there = there;
  for (const [nodeId, client] of [here, there].entries()) {
    const answer = await client.connection.send(Apis.FIND_COORDINATOR, 3, { key: "readers" });
    expect(answer).toMatchObject({ errorCode: NONE, nodeId, port: client.memory.port });
  }
});

test("consumers fail over to the other broker without a rebalance, and commits from both count", async () => {
  const [here, there] = await startTwo();
  await using _there = there;
  await here.createTopic("orders", 4);
  const classic = await here.onlyMember("readers");
  const joined = await beat(here, "m", 0);
  const { memberEpoch } = joined;
  expect(joined.assignment?.topicPartitions[0]?.partitions).toEqual([0, 1, 2, 3]);
  // Both serve it at the same time.
  expect(await here.commit("readers", 1, classic)).toBe(NONE);
  expect(await there.commit("readers", 2, classic)).toBe(NONE);
  expect(await here.commit("readers", 3, classic)).toBe(NONE);
  expect(await commitAs(there, memberEpoch, 4)).toBe(NONE);
  expect(await commitAs(here, memberEpoch, 5)).toBe(NONE);
  expect(await there.offsets("readers")).toEqual([["orders", 0, 3]]);
  expect(await there.offsets("modern")).toEqual([["orders", 0, 5]]);

  await here[Symbol.asyncDispose]();
  for (const offset of [6, 7]) {
    expect((await there.connection.send(Apis.HEARTBEAT, 4, classic)).errorCode).toBe(NONE);
    const again = await beat(there, "m", memberEpoch);
    expect([again.errorCode, again.memberEpoch, again.assignment]).toEqual([NONE, memberEpoch, null]);
    expect(await there.commit("readers", offset, classic)).toBe(NONE);
    expect(await commitAs(there, memberEpoch, offset)).toBe(NONE);
  }
  const synced = await there.connection.send(Apis.SYNC_GROUP, 3, { ...classic, assignments: [] });
  expect([synced.errorCode, [...synced.assignment]]).toEqual([NONE, [1, 2, 3]]);
});

test("members of one group at two brokers are in one generation", async () => {
  const [here, there] = await startTwo();
  await using _here = here;
  await using _there = there;
  await here.createTopic("orders", 4);
  const first = await here.onlyMember("readers");
  const joining = there.join({ groupId: "readers" }, 3);
  const heartbeat = async () => (await here.connection.send(Apis.HEARTBEAT, 4, first)).errorCode;
  await expect.poll(heartbeat).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  const rejoined = await here.join({ groupId: "readers", memberId: first.memberId }, 3);
  const second = await joining;
  expect([rejoined.errorCode, second.errorCode]).toEqual([NONE, NONE]);
  expect(second).toMatchObject({ generationId: rejoined.generationId, leader: first.memberId });
  const waiting = there.connection.send(Apis.SYNC_GROUP, 3, {
    groupId: "readers",
    memberId: second.memberId,
    generationId: second.generationId,
    assignments: [],
  });
  await here.connection.send(Apis.SYNC_GROUP, 3, {
    groupId: "readers",
    memberId: first.memberId,
    generationId: rejoined.generationId,
    assignments: [{ memberId: second.memberId, assignment: Uint8Array.of(9) }],
  });
  expect([...(await waiting).assignment]).toEqual([9]);
});
