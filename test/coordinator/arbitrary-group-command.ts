import fc from "fast-check";
import type { MemberAssignment } from "#lib/coordinator/classic-command.ts";
import type { ConsumerSubscription, GroupUpgrade } from "#lib/coordinator/consumer-command.ts";
import type { GroupCommand } from "#lib/coordinator/group-command.ts";
import type { Assignment, MemberProtocol } from "#lib/coordinator/member-types.ts";
import { bytesOf, topicIdOf } from "./group-fixtures.ts";

// Commands over few groups, members and numbers, so that they hit upon each other all the time.

const groupIds = fc.constantFrom("one", "two");
const memberIds = fc.constantFrom("a", "b", "c", "d");
const seqs = fc.integer({ min: 0, max: 40 });
const small = fc.integer({ min: 0, max: 5 });
const epochs = fc.integer({ min: -2, max: 5 });
const topicIds = fc.integer({ min: 1, max: 3 }).map(topicIdOf);
const names = fc.uniqueArray(fc.constantFrom("pay", "ship", "mail"), { maxLength: 3 }).map((texts) => texts.sort());
const texts = fc.constantFrom("", "x", "größe");

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

const instanceIds = fc.constantFrom(undefined, undefined, undefined, undefined, "i", "j");

export const assignments: fc.Arbitrary<Assignment> = fc
  .uniqueArray(fc.tuple(topicIds, fc.uniqueArray(small, { minLength: 1, maxLength: 3 })), {
    maxLength: 2,
    selector: ([topicId]) => topicId,
  })
  .map((entries) => new Map(entries.map(([topicId, partitions]) => [topicId, partitions.sort((x, y) => x - y)])));

const protocols: fc.Arbitrary<readonly MemberProtocol[]> = fc
  .uniqueArray(
    fc.record({ name: fc.constantFrom("range", "sticky"), metadata: fc.constantFrom("", "1").map(bytesOf) }),
    { maxLength: 2, selector: ({ name }) => name },
  )
  // Mostly one that all share, or no group ever gets anywhere.
  .map((some) => [...some, { name: "common", metadata: bytesOf("c") }]);

const memberAssignments: fc.Arbitrary<readonly MemberAssignment[]> = fc.array(
  fc.record({ memberId: memberIds, assignment: fc.uint8Array({ maxLength: 3 }) }),
  { maxLength: 3 },
);

const subscriptions: fc.Arbitrary<ConsumerSubscription> = fc.record({
  topicNames: names,
  owned: optional(assignments),
  rackId: optional(texts),
});

const upgrades: fc.Arbitrary<GroupUpgrade> = fc.record({
  changedSeq: seqs,
  members: fc.array(fc.record({ memberId: memberIds, subscription: subscriptions, assigned: assignments }), {
    maxLength: 3,
  }),
});

const joins: fc.Arbitrary<GroupCommand> = fc.record({
  kind: fc.constant("join" as const),
  groupId: groupIds,
  memberId: memberIds,
  isNewMemberId: fc.boolean(),
  mustReserve: fc.constantFrom(false, false, false, false, true),
  groupInstanceId: instanceIds,
  clientId: texts,
  clientHost: texts,
  rebalanceTimeoutMs: fc.constantFrom(1_000, 60_000),
  sessionTimeoutMs: fc.constantFrom(6_000, 30_000),
  protocolType: fc.constantFrom("consumer", "consumer", "consumer", "consumer", "connect", ""),
  protocols,
  groupSizeMax: fc.constantFrom(2, 100, 100),
  initialDelayMs: fc.constantFrom(0, 0, 3_000),
  subscription: optional(subscriptions),
});

const syncs: fc.Arbitrary<GroupCommand> = fc.record({
  kind: fc.constant("sync" as const),
  groupId: groupIds,
  memberId: memberIds,
  groupInstanceId: instanceIds,
  generationId: small,
  protocolType: optional(fc.constant("consumer")),
  protocolName: optional(fc.constantFrom("range", "common")),
  assignments: memberAssignments,
});

const leaves: fc.Arbitrary<GroupCommand> = fc.record({
  kind: fc.constant("leave" as const),
  groupId: groupIds,
  members: fc.array(fc.record({ memberId: fc.constantFrom("", "a", "b", "c"), groupInstanceId: instanceIds }), {
    maxLength: 2,
  }),
});

const commits: fc.Arbitrary<GroupCommand> = fc.record({
  kind: fc.constant("commit-offsets" as const),
  groupId: groupIds,
  memberId: fc.constantFrom("", "a", "b"),
  groupInstanceId: instanceIds,
  generationIdOrMemberEpoch: epochs,
  knowsMemberEpochs: fc.boolean(),
  clusterSeq: small,
  topics: fc.array(
    fc.record({
      topicId: topicIds,
      partitions: fc.array(
        fc.record({
          partitionIndex: small,
          offset: fc.integer({ min: 0, max: 2 ** 40 }),
          leaderEpoch: fc.integer({ min: -1, max: 3 }),
          metadata: texts,
          expiresAtMs: fc.integer({ min: -1, max: 9 }),
        }),
        { maxLength: 2 },
      ),
    }),
    { maxLength: 2 },
  ),
});

const consumerHeartbeats: fc.Arbitrary<GroupCommand> = fc.record({
  kind: fc.constant("consumer-heartbeat" as const),
  groupId: groupIds,
  memberId: memberIds,
  memberEpoch: epochs,
  instanceId: instanceIds,
  rackId: optional(texts),
  clientId: texts,
  clientHost: texts,
  rebalanceTimeoutMs: fc.constantFrom(-1, 1_000),
  subscribedTopicNames: optional(names),
  subscribedTopicRegex: optional(fc.constantFrom("", "p.*")),
  serverAssignor: optional(fc.constantFrom("range", "uniform")),
  owned: optional(assignments),
  groupSizeMax: fc.constantFrom(2, 100),
  classicSizeMax: fc.constantFrom(0, 1, 100, 100),
  upgrade: optional(upgrades),
});

const seenPartition = { topicId: topicIds, partitionIndex: small };

/** What the classic protocol, offsets and administrators do. */
export const classicCommands: fc.Arbitrary<GroupCommand> = fc.oneof(
  { weight: 14, arbitrary: joins },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("complete-join" as const), groupId: groupIds, round: seqs }) },
  { weight: 10, arbitrary: syncs },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("expire-sync" as const),
      groupId: groupIds,
      generationId: small,
      round: seqs,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("heartbeat" as const),
      groupId: groupIds,
      memberId: memberIds,
      groupInstanceId: instanceIds,
      generationId: small,
    }),
  },
  { weight: 1, arbitrary: leaves },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("expire-member" as const),
      groupId: groupIds,
      memberId: memberIds,
      seenSeq: seqs,
    }),
  },
  { weight: 4, arbitrary: commits },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delete-offsets" as const),
      groupId: groupIds,
      changedSeq: seqs,
      partitions: fc.array(fc.record(seenPartition), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("expire-offsets" as const),
      groupId: groupIds,
      changedSeq: seqs,
      partitions: fc.array(fc.record({ ...seenPartition, commitSeq: seqs }), { maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete-group" as const), groupId: groupIds }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("drop-topic" as const), topicId: topicIds, clusterSeq: small }),
  },
);

/** What the consumer protocol does. */
export const consumerCommands: fc.Arbitrary<GroupCommand> = fc.oneof(
  { weight: 6, arbitrary: consumerHeartbeats },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("set-target-assignment" as const),
      groupId: groupIds,
      createdSeq: seqs,
      groupEpoch: small,
      target: fc.array(fc.record({ memberId: memberIds, partitions: assignments }), { maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("metadata-changed" as const),
      groupId: groupIds,
      createdSeq: seqs,
      groupEpoch: small,
      clusterSeq: small,
      metadataHash: texts,
      resolvedRegexes: fc.array(fc.record({ regex: texts, topicNames: names }), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("expire-rebalance" as const),
      groupId: groupIds,
      memberId: memberIds,
      memberEpoch: epochs,
    }),
  },
);
