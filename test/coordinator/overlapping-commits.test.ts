import { expect, test } from "vitest";
import { NOT_A_MEMBER, type ResolveCommit } from "#lib/coordinator/shell/offset-calls.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { CoordinatorWorld } from "./coordinator-world.ts";
import { GROUP, TOPIC, topicIdOf } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";

const { NONE, COORDINATOR_NOT_AVAILABLE } = ErrorCode;
const DROP_SEQ = 20;

/** A process whose journal is open, with an administrator who commits offsets of one partition. */
async function committer() {
  const world = new CoordinatorWorld();
  const { coordinator, journals } = world.start();
  const journal = await world.run(journals.journal(0, NEVER));
  const administrator = {
    groupId: GROUP,
    memberId: "",
    groupInstanceId: undefined,
    generationIdOrMemberEpoch: -1,
    knowsMemberEpochs: false,
  };
  return {
    world,
    journal,
    admit: (resolve: ResolveCommit, memberId = "") =>
      coordinator.offsets.admit({ ...administrator, memberId }, resolve, NEVER),
    async committed() {
      const offsets = await world.run(coordinator.offsets.fetch(GROUP, NOT_A_MEMBER, NEVER));
      return typeof offsets === "number" ? offsets : defined(offsets.get(TOPIC)?.get(0)).offset;
    },
  };
}

function commitOf(offset: number, clusterSeq = DROP_SEQ) {
  const partition = { partitionIndex: 0, offset, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
  return { clusterSeq, topics: [{ topicId: TOPIC, partitions: [partition] }] };
}

test("commits that overlap travel together behind the first one, in the order in which they were admitted", async () => {
  const { world, journal, admit, committed } = await committer();
  const before = journal.seq;
  const answers: Promise<ErrorCode>[] = [];
  for (const offset of [7, 6, 5]) {
    const { answer } = await admit(async () => commitOf(offset));
    answers.push(answer);
  }
  expect(await world.run(Promise.all(answers))).toEqual([NONE, NONE, NONE]);
  expect([await committed(), journal.seq - before]).toEqual([5, 2]);
});

test("a commit from an old view of the cluster looks again, but never steps behind a later commit", async () => {
  const { world, journal, admit, committed } = await committer();
  const drop = { kind: "drop-topic", topicId: topicIdOf(9), clusterSeq: DROP_SEQ } as const;
  await world.run(journal.propose(drop, { lane: "test", signal: NEVER }));
  const late = (offset: number): ResolveCommit => {
    return async (isStale) => {
      // Another look takes a while.
      if (isStale) await world.clock.sleep(50);
      return commitOf(offset, isStale ? DROP_SEQ : DROP_SEQ - 1);
    };
  };
  const alone = await admit(late(1));
  expect([await world.run(alone.answer), await committed()]).toEqual([NONE, 1]);

  const overtaken = await admit(late(2));
  const behind = await admit(async () => commitOf(3));
  expect(await world.run(Promise.all([overtaken.answer, behind.answer]))).toEqual([COORDINATOR_NOT_AVAILABLE, NONE]);
  expect(await committed()).toBe(3);

  // The later one comes while the first takes its second look.
  const slow = await admit(late(4));
  await world.clock.advance(10);
  const during = await admit(async () => commitOf(5));
  expect(await world.run(Promise.all([slow.answer, during.answer]))).toEqual([COORDINATOR_NOT_AVAILABLE, NONE]);
  expect(await committed()).toBe(5);
});

test("members look again beside each other: what one commits is no other's to set back", async () => {
  const { world, journal, admit } = await committer();
  const drop = { kind: "drop-topic", topicId: topicIdOf(9), clusterSeq: DROP_SEQ } as const;
  await world.run(journal.propose(drop, { lane: "test", signal: NEVER }));
  const late: ResolveCommit = async (isStale) => commitOf(1, isStale ? DROP_SEQ : DROP_SEQ - 1);
  const [one, other] = [await admit(late, "one"), await admit(late, "other")];
  expect(await world.run(Promise.all([one.answer, other.answer]))).toEqual([NONE, NONE]);
});

test("a commit that finds nothing to do, or fails at once, holds up nobody", async () => {
  const { world, admit } = await committer();
  const nothing = await admit(async () => ({ clusterSeq: 1, topics: [] }));
  const failed = await admit(() => Promise.reject(new Error("a fault")));
  expect(await world.run(Promise.all([nothing.answer, failed.answer]))).toEqual([NONE, ErrorCode.UNKNOWN_SERVER_ERROR]);
});
