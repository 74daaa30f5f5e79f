import { expect, test } from "vitest";
import { findInstance } from "#lib/coordinator/consumer-instance.ts";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type CoordinatorProcess, CoordinatorWorld } from "./coordinator-world.ts";
import { commitOf, GROUP, TOPIC } from "./group-fixtures.ts";
import { NEVER } from "./group-world.ts";
import { CONFIG, positionsOf } from "./instance-fixtures.ts";
import { TestConsumer } from "./test-consumer.ts";

const WHO = { groupId: GROUP, instanceId: "i" };
const TOPICS = { kind: "topics", topicNames: ["orders"] } as const;

/** The calls of an instance's client, at one process or another. */
class TestInstance {
  readonly #world: CoordinatorWorld;
  process: CoordinatorProcess;

  constructor(world: CoordinatorWorld, process: CoordinatorProcess) {
    this.#world = world;
    this.process = process;
  }

  get #calls() {
    return this.process.coordinator.instances;
  }

  async create(): Promise<void> {
    expect(await this.#world.run(this.#calls.create(WHO, CONFIG, NEVER))).toBe(ErrorCode.NONE);
  }

  async subscribe(): Promise<void> {
    const to = { subscription: TOPICS, clusterSeq: 1 };
    expect(await this.#world.run(this.#calls.subscribe(WHO, to, NEVER))).toBe("done");
  }

  view(): Promise<InstanceView | ErrorCode> {
    return this.#world.run(this.#calls.view(WHO, NEVER));
  }

  async poll(): Promise<readonly number[]> {
    const begun = await this.view();
    if (typeof begun === "number") return [];
    const { deliveries } = begun;
    const fault = await this.#world.run(this.#calls.beat(WHO, { givesUp: { deliveries } }, NEVER));
    expect(fault).toBeUndefined();
    const view = await this.view();
    return typeof view === "number" ? [] : (view.assigned.get(TOPIC) ?? []);
  }
}

async function start() {
  const world = new CoordinatorWorld();
  const [here, there] = [world.start(), world.start()];
  const one = new TestInstance(world, here);
  await one.create();
  await one.subscribe();
  return { world, here, there, one };
}

const seqOf = ({ journals }: CoordinatorProcess) => journals.opened(0)?.seq ?? 0;

async function pass(world: CoordinatorWorld, ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 5_000) {
    await world.clock.advance(5_000);
    await world.run(Promise.resolve());
  }
}

test("an instance joins at its first call after subscribing, and has its partitions from then on", async () => {
  const { one, there } = await start();
  expect(await one.poll()).toEqual([0, 1, 2, 3]);
  one.process = there;
  expect(await one.poll()).toEqual([0, 1, 2, 3]);
});

test("polls that change nothing are journaled once in a third of the time-out", async () => {
  const { world, here, one } = await start();
  await one.poll();
  const before = seqOf(here);
  for (let at = 0; at < 60; at++) {
    await pass(world, 5_000);
    await one.poll();
  }
  const count = seqOf(here) - before;
  expect(count).toBeGreaterThanOrEqual(2);
  expect(count).toBeLessThanOrEqual(4);
  expect(await one.view()).toMatchObject({ instanceId: "i" });
});

test("a call every few minutes keeps an instance, its member and its partitions", async () => {
  const { world, one } = await start();
  expect(await one.poll()).toEqual([0, 1, 2, 3]);
  for (let at = 0; at < 5; at++) {
    await pass(world, 240_000);
    expect(await one.poll()).toEqual([0, 1, 2, 3]);
  }
});

test("an instance that nobody calls is forgotten after its time-out by whoever watches, and its member with it", async () => {
  const { world, here, there, one } = await start();
  await one.poll();
  await world.run(there.coordinator.observeAll(NEVER));
  here.kill();
  one.process = there;
  const other = new TestConsumer(there, "kafka");
  await pass(world, 390_000);
  await world.run(other.beat());
  expect(other.partitions).toEqual([]);
  await pass(world, 15_000);
  expect(await one.view()).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  await world.run(other.beat());
  expect(other.partitions).toEqual([0, 1, 2, 3]);
});

test("a scheduled call expires it where no process is there all the time", async () => {
  const { world, here, there, one } = await start();
  await one.poll();
  expect(await world.run(there.coordinator.expireOverdue(NEVER))).toBe(1);
  here.kill();
  await pass(world, 410_000);
  expect(await world.run(there.coordinator.expireOverdue(NEVER))).toBe(0);
  one.process = there;
  expect(await one.view()).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
});

test("a member that was expelled joins again by itself, and begins where the group has committed", async () => {
  const { world, here, one } = await start();
  await one.poll();
  const view = await one.view();
  if (typeof view === "number") throw new Error();
  const advanced = here.coordinator.instances.advance(
    view,
    { commits: false, delivers: true, positions: positionsOf({ 0: 9 }), clusterSeq: 1 },
    NEVER,
  );
  expect(await world.run(advanced)).toBe("done");
  const { partitions } = {
    partitions: [{ partitionIndex: 0, offset: 4, leaderEpoch: -1, metadata: "", expiresAtMs: -1 }],
  };
  const { kind: _, ...commit } = commitOf(4, { topics: [{ topicId: TOPIC, partitions }] });
  const committer = await world.run(here.coordinator.instances.committer(WHO, NEVER));
  const error = here.coordinator.offsets.commit(
    { ...commit, ...committer },
    async () => ({ clusterSeq: 1, topics: commit.topics }),
    NEVER,
  );
  expect(await world.run(error)).toBe(ErrorCode.NONE);
  const journal = await world.run(here.journals.journal(0, NEVER));
  const membership = journal.state.groups.get(GROUP)?.membership;
  const member = membership?.type === "consumer" ? membership.members.get("i") : undefined;
  const expel = { kind: "expire-member", groupId: GROUP, memberId: "i", seenSeq: member?.seenSeq ?? 0 } as const;
  await world.run(journal.propose(expel, { lane: "test", signal: NEVER }));
  expect(await one.poll()).toEqual([0, 1, 2, 3]);
  const again = await one.view();
  if (typeof again === "number") throw new Error();
  expect(again.partitions[0]).toMatchObject({ partitionIndex: 0, offset: 4, hasPosition: false });
  expect(again.partitions[1]).toMatchObject({ partitionIndex: 1, offset: undefined });
});

test("a journal is raised to the level of instances by the first of them, and no sooner", async () => {
  const world = new CoordinatorWorld();
  const process = world.start();
  const one = new TestInstance(world, process);
  expect(await one.view()).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  expect(await world.run(process.coordinator.instances.delete(WHO, NEVER))).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  expect(seqOf(process)).toBe(0);
  await one.create();
  // The level and the instance.
  expect(seqOf(process)).toBe(2);
  const journal = await world.run(process.journals.journal(0, NEVER));
  expect(findInstance(journal.state, WHO)).toMatchObject({ createdSeq: 2, version: 0 });
});
