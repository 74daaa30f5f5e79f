import { expect, test } from "vitest";
import type { GroupJournal } from "#lib/coordinator/group-journals.ts";
import { OffsetExpirer } from "#lib/housekeeping/offset-expirer.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import { commitOf, GROUP, joinOf, topicIdOf } from "../coordinator/group-fixtures.ts";
import { GroupWorld, NEVER } from "../coordinator/group-world.ts";

const MINUTE_MS = 60_000;
const LANE = { lane: "test", signal: NEVER };

/** Offsets are kept for ten minutes; topic 1 is called `orders`, topic 2 `prices`. */
async function started() {
  const world = new GroupWorld();
  const journals = world.process();
  const [journal] = await world.run(journals.openAll(NEVER));
  const expirer = new OffsetExpirer({
    journals,
    cluster: {
      brokerInteger: (name) => (name === "offsets.retention.minutes" ? 10 : 60_000),
      topic: (topicId) => ({ name: topicId === topicIdOf(1) ? "orders" : "prices" }),
    },
    clock: world.clock,
    logger: SILENT_LOGGER,
  });
  const expire = () => world.run(expirer.expireAll(NEVER));
  return { world, journals, journal: defined<GroupJournal>(journal), expirer, expire };
}

test("offsets that were never a member's are forgotten when their retention is over, and their group with them", async () => {
  const { world, journal, expire } = await started();
  await world.run(journal.propose(commitOf(5), LANE));
  await world.clock.advance(9 * MINUTE_MS);
  expect(await expire()).toBe(0);
  expect(journal.state.groups.get(GROUP)?.offsets.size).toBe(1);
  await world.clock.advance(2 * MINUTE_MS);
  expect(await expire()).toBe(1);
  expect(journal.state.groups.has(GROUP)).toBe(false);
});

test("an old client's own retention takes the place of the broker's", async () => {
  const { world, journal, expire } = await started();
  const partition = { partitionIndex: 0, offset: 5, leaderEpoch: -1, metadata: "" };
  const expiresAtMs = journal.nowMs() + 60 * MINUTE_MS;
  const topics = [{ topicId: topicIdOf(1), partitions: [{ ...partition, expiresAtMs }] }];
  await world.run(journal.propose(commitOf(5, { topics }), LANE));
  await world.clock.advance(30 * MINUTE_MS);
  expect(await expire()).toBe(0);
  await world.clock.advance(31 * MINUTE_MS);
  expect(await expire()).toBe(1);
});

test("the offsets of a group with members stay, and run from when the last one left", async () => {
  const { world, journal, expire } = await started();
  await world.run(journal.propose(joinOf("a"), LANE));
  await world.run(journal.propose({ ...syncOf("a"), generationId: 1 }, LANE));
  await world.run(journal.propose(commitOf(5, { memberId: "a", generationIdOrMemberEpoch: 1 }), LANE));
  await world.clock.advance(5 * MINUTE_MS);
  const members = [{ memberId: "a", groupInstanceId: undefined }];
  await world.run(journal.propose({ kind: "leave", groupId: GROUP, members }, LANE));
  await world.clock.advance(9 * MINUTE_MS);
  expect(await expire()).toBe(0);
  await world.clock.advance(2 * MINUTE_MS);
  expect(await expire()).toBe(1);
  expect(journal.state.groups.size).toBe(0);
});

test("it looks again and again, until it is stopped", async () => {
  const { world, journal, expirer } = await started();
  await world.run(journal.propose(commitOf(5), LANE));
  const stopping = new AbortController();
  const running = expirer.run(stopping.signal);
  await world.clock.advance(12 * MINUTE_MS);
  expect(journal.state.groups.size).toBe(0);
  stopping.abort(new Error("the broker stops"));
  await running;
});

function syncOf(memberId: string) {
  return {
    kind: "sync",
    groupId: GROUP,
    memberId,
    groupInstanceId: undefined,
    protocolType: undefined,
    protocolName: undefined,
    assignments: [],
  } as const;
}
