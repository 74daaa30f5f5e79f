import { expect, test } from "vitest";
import { joinAnswer, syncAnswer } from "#lib/coordinator/classic-answers.ts";
import { type GroupJournal, groupJournalId, groupJournalNumber } from "#lib/coordinator/group-journals.ts";
import { defined } from "#lib/util/assert.ts";
import { GROUP_JOURNALS_DEFAULT } from "#lib/util/limits.ts";
import { bytesOf, commitOf, encodedState, GROUP, joinOf, rejoinOf } from "./group-fixtures.ts";
import { GroupWorld, NEVER } from "./group-world.ts";

const LANE = { lane: "test", signal: NEVER };

test("a group's journal is told from its id alone, and all journals have groups", () => {
  expect(groupJournalNumber("orders", 4)).toBe(groupJournalNumber("orders", 4));
  // Processes of every version must agree for ever.
  expect(["orders", "größe", "", "connect-sink"].map((id) => groupJournalNumber(id, 4))).toEqual([2, 3, 0, 3]);
  const numbers = Array.from({ length: 400 }, (_, n) => groupJournalNumber(`group-${n}`, GROUP_JOURNALS_DEFAULT));
  for (let journalNumber = 0; journalNumber < GROUP_JOURNALS_DEFAULT; journalNumber++) {
    expect(numbers.filter((number) => number === journalNumber).length).toBeGreaterThan(60);
  }
});

test("group journals are named by number", async () => {
  const world = new GroupWorld(3);
  const journals = await world.run(world.process().openAll(NEVER));
  expect(journals.map(({ id }) => id)).toEqual(["group-0", "group-1", "group-2"]);
  expect(groupJournalId(2)).toBe("group-2");
});

async function twoProcesses(): Promise<{ world: GroupWorld; here: GroupJournal; there: GroupJournal }> {
  const world = new GroupWorld();
  const [here] = await world.run(world.process().openAll(NEVER));
  const [there] = await world.run(world.process().openAll(NEVER));
  return { world, here: defined(here), there: defined(there) };
}

test("members at different processes share a group, and either process can answer both", async () => {
  const { world, here, there } = await twoProcesses();
  const delayed = { initialDelayMs: 3_000 };
  const [a, b] = await world.run(
    Promise.all([here.propose(joinOf("a", delayed), LANE), there.propose(joinOf("b", delayed), LANE)]),
  );
  expect([a?.outcome, b?.outcome]).toMatchObject([
    { kind: "joined", round: 1 },
    { kind: "joined", round: 1 },
  ]);
  const complete = { kind: "complete-join", groupId: GROUP, round: 1 } as const;
  const ends = await world.run(Promise.all([here.propose(complete, LANE), there.propose(complete, LANE)]));
  expect(ends.map(({ outcome }) => outcome.kind).sort()).toEqual(["done", "moved"]);
  await world.run(Promise.all([here.catchUp(NEVER), there.catchUp(NEVER)]));
  expect(encodedState(there.state)).toEqual(encodedState(here.state));
  for (const { state } of [here, there]) {
    const answers = ["a", "b"].map((memberId) =>
      joinAnswer(state, { groupId: GROUP, memberId, groupInstanceId: undefined, round: 1 }),
    );
    expect(answers).toMatchObject([{ generationId: 1 }, { generationId: 1 }]);
  }
  const { membership } = defined(here.state.groups.get(GROUP));
  const leaderId = defined(membership.type === "classic" ? membership.leaderId : undefined);
  const sync = {
    kind: "sync",
    groupId: GROUP,
    memberId: leaderId,
    groupInstanceId: undefined,
    generationId: 1,
  } as const;
  const assignments = [{ memberId: "b", assignment: bytesOf("p0") }];
  const unnamed = { protocolType: undefined, protocolName: undefined };
  await world.run(here.propose({ ...sync, ...unnamed, assignments }, LANE));
  await world.run(there.catchUp(NEVER));
  const request = { ...sync, ...unnamed, memberId: "b" };
  expect(syncAnswer(there.state, request)).toMatchObject({ kind: "synced", assignment: bytesOf("p0") });
});

test("an expiry from a process that has not heard of the last heartbeat changes nothing", async () => {
  const { world, here, there } = await twoProcesses();
  await world.run(here.propose(joinOf("a"), LANE));
  const heartbeat = { kind: "heartbeat", groupId: GROUP, memberId: "a", groupInstanceId: undefined } as const;
  await world.run(here.propose({ ...heartbeat, generationId: 1 }, LANE));
  const late = { kind: "expire-member", groupId: GROUP, memberId: "a", seenSeq: 1 } as const;
  expect((await world.run(there.propose(late, LANE))).outcome).toEqual({ kind: "moved" });
});

test("a commit of a generation that is over is refused, wherever it comes from", async () => {
  const { world, here, there } = await twoProcesses();
  await world.run(here.propose(joinOf("a"), LANE));
  await world.run(here.propose(rejoinOf("a", { protocols: [{ name: "range", metadata: bytesOf("new") }] }), LANE));
  const zombie = commitOf(7, { memberId: "a", generationIdOrMemberEpoch: 1 });
  expect((await world.run(there.propose(zombie, LANE))).outcome).toEqual({ kind: "refused", error: 22 });
});
