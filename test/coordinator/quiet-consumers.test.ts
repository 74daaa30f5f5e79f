import { expect, test } from "vitest";
import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { type CoordinatorProcess, CoordinatorWorld } from "./coordinator-world.ts";
import { TOPIC } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";
import { TestConsumer } from "./test-consumer.ts";

// Consumers that say what they own only when that has changed, as franz-go does. What they are told and what the journal
// says of them must not come apart: they would be fenced, or waited for to give up what they have never heard of.

const STORM_MS = 20_000;
const PARTITIONS = [0, 1, 2, 3];

/** Every append takes so long that others queue behind it and share the next record. */
function slowAppends(random: SeededRandom): JournalFaultPlan {
  return { next: ({ method }) => (method === "append" ? { kind: "slow", ms: 20 + random.below(200) } : undefined) };
}

/** Joins and stays, or leaves and joins again, at random times. What it was refused for. */
async function live(
  world: CoordinatorWorld,
  member: TestConsumer,
  random: SeededRandom,
): Promise<readonly ErrorCode[]> {
  const errors: ErrorCode[] = [];
  const note = () => {
    if (member.error !== ErrorCode.NONE) errors.push(member.error);
  };
  await world.clock.sleep(random.below(1_500));
  while (world.clock.monotonicMs() < STORM_MS) {
    await member.beat();
    note();
    await world.clock.sleep(random.below(800));
    if (member.memberEpoch === 0 || random.below(10) > 0) continue;
    await member.leave();
    note();
    await world.clock.sleep(random.below(400));
  }
  await member.beat();
  note();
  return errors;
}

async function storm(seed: number) {
  const world = new CoordinatorWorld();
  const random = new SeededRandom(seed);
  const processes: CoordinatorProcess[] = [0, 1].map(() => world.start({}, slowAppends(random)));
  const members = PARTITIONS.concat(4, 5).flatMap((n) => {
    const process = processes[n % 2];
    return process === undefined ? [] : [new TestConsumer(process, `m${n}`, { isQuiet: true })];
  });
  const errors = await world.run(Promise.all(members.map((member) => live(world, member, random))));
  for (let round = 0; round < 5; round++) {
    await world.clock.advance(5_000);
    await world.run(Promise.all(members.map((member) => member.beat())));
  }
  return { errors: errors.flat(), members };
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])("are never fenced, and soon own every partition once, seed %i", async (seed) => {
  const { errors, members } = await storm(seed);
  expect(errors).toEqual([]);
  expect(members.flatMap(({ partitions }) => partitions).toSorted()).toEqual(PARTITIONS);
  expect(new Set(members.map(({ memberEpoch }) => memberEpoch)).size).toBe(1);
});

test("are not waited for to give up what they have never heard of", async () => {
  const world = new CoordinatorWorld();
  let isSlow = false;
  const slow: JournalFaultPlan = {
    next: ({ method }) => (isSlow && method === "append" ? { kind: "slow", ms: 200 } : undefined),
  };
  const process = world.start({}, slow);
  const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((id) => new TestConsumer(process, id, { isQuiet: true }));
  if (a === undefined || b === undefined || c === undefined || d === undefined || e === undefined) throw new Error();
  const beatAll = async (members: readonly TestConsumer[]) => {
    for (const member of members) await world.run(member.beat());
  };
  for (let round = 0; round < 4; round++) await beatAll([a, b, c]);
  expect([a, b, c].map(({ partitions }) => partitions)).toEqual([[0, 1], [2], [3]]);
  await world.run(c.leave());
  // The target that gives `b` the partition of `c` is set by the heartbeat of `a`; `b` has yet to hear of it.
  await world.run(a.beat());
  expect(b.partitions).toEqual([2]);
  isSlow = true;
  const partition = { partitionIndex: 0, offset: 1, leaderEpoch: -1, metadata: "", expiresAtMs: -1 };
  const nobody = { groupId: "others", memberId: "", groupInstanceId: undefined, generationIdOrMemberEpoch: -1 };
  const blocking = process.coordinator.offsets.commit(
    { ...nobody, knowsMemberEpochs: true },
    async () => ({ clusterSeq: 1, topics: [{ topicId: TOPIC, partitions: [partition] }] }),
    NEVER,
  );
  await world.clock.endOfTurn();
  // All three wait for the same append, so the others have joined by the time that the first one is answered.
  const beating = [b.beat()];
  await world.clock.endOfTurn();
  beating.push(d.beat(), e.beat());
  await world.run(Promise.all([blocking, ...beating]));
  isSlow = false;
  const members = [a, b, d, e];
  for (let round = 0; round < 4; round++) await beatAll(members);
  expect(members.map(({ error }) => error)).toEqual(members.map(() => ErrorCode.NONE));
  expect(members.flatMap(({ partitions }) => partitions).toSorted()).toEqual(PARTITIONS);
});
