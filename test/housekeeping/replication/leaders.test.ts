import { beforeEach, describe, expect, test } from "vitest";
import type { JournalFaultPlan } from "#lib/adapters/memory/journal-fault.ts";
import type { StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { ReplicatedState } from "#lib/journal/replicated-state.ts";
import {
  COPIES_IN_DOUBT_MS,
  FLUSH_TIMEOUT_MS,
  LATE_COPY_MS_MAX,
  REPLICATION_TICK_MS,
  STORE_WRITE_DOUBT_MS,
} from "#lib/util/limits.ts";
import { LAG_MS, type ReplicaProcess, type ReplicaWorld, replicatedTopic, startLed } from "./replica-world.ts";

const topic = replicatedTopic(1);
const never = new AbortController().signal;
const always = (fault: StoreFault) => () => fault;

let world: ReplicaWorld;
let leader: ReplicaProcess;

beforeEach(async () => {
  ({ world, leader } = await startLed(topic));
});

const expectWhole = (id = 0) => world.expectWhole(id);
const appendFor = (ms: number, process = leader) => process.appendFor(topic, ms);

describe("several brokers", () => {
  test("the next leader lists every store, for what the one before had noticed is lost with it", async () => {
    await leader.appendMany(topic, 5);
    await leader.settle();
    const next = await world.start(1);
    world.empty(2);
    await world.clock.advance(60_000);
    expect(world.keys(2)).toEqual([]);
    await next.lead();
    await world.clock.advance(3 * REPLICATION_TICK_MS);
    expectWhole();
    expect(next.isr()).toEqual([0, 1, 2]);
  });

  test("a leader that hears late of what another has written does not take that for a lag of the stores", async () => {
    const other = await world.start(1, { isOnDemand: true });
    other.faults.set(2, always({ kind: "slow", delayMs: 50 }));
    await other.appendMany(topic, 5);
    await world.clock.advance(LAG_MS + 5_000);
    await world.clock.run(leader.journal().catchUp(never));
    expect(leader.tracker.owedTo(2).size).toBeGreaterThan(0);
    await world.clock.advance(3 * REPLICATION_TICK_MS);
    expect(leader.isr()).toEqual([0, 1, 2]);
    await world.clock.advance(LATE_COPY_MS_MAX + 3 * REPLICATION_TICK_MS);
    expect([0, 1, 2].map((id) => leader.tracker.owedTo(id).size)).toEqual([0, 0, 0]);
    expect(leader.isr()).toEqual([0, 1, 2]);
    expect(leader.log).toEqual([]);
  });

  test("a leader that is deposed in the middle of copying leaves the rest and the ISR to its successor", async () => {
    leader.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(12_000);
    const next = await world.start(1);
    leader.faults.set(2, ({ operation }) =>
      operation === "putIfAbsent" ? { kind: "slow", delayMs: 1_500 } : undefined,
    );
    await world.clock.advance(STORE_WRITE_DOUBT_MS + 2 * REPLICATION_TICK_MS);
    expect(leader.owed(2)).toBeGreaterThan(0);
    next.faults.set(2, always({ kind: "unavailable" }));
    await next.lead();
    await world.clock.run(leader.journal().catchUp(never));
    await world.clock.advance(LAG_MS);
    expect(leader.owed(2)).toBe(0);
    expect(leader.isr()).toEqual([0, 1]);
    next.faults.clear();
    await world.clock.advance(LAG_MS);
    await world.clock.run(leader.journal().catchUp(never));
    expect(next.isr()).toEqual([0, 1, 2]);
    expect(leader.isr()).toEqual([0, 1, 2]);
    expectWhole();
  });

  test("of two that both think they lead, and see different stores fail, each change names what it replaces", async () => {
    const other = await world.start(1, { isOnDemand: true });
    leader.faults.set(2, always({ kind: "unavailable" }));
    other.faults.set(1, always({ kind: "unavailable" }));
    for (let round = 0; round < 5; round++) {
      const scheduled = other.replication.runOnce(never);
      await appendFor(4_000);
      await world.clock.run(scheduled);
      await world.clock.run(Promise.all([leader, other].map((each) => each.journal().readBarrier(never))));
      expect(leader.journal().state.isrEpoch).toBe(other.journal().state.isrEpoch);
      expect(leader.isr()).toEqual(other.isr());
      expect(leader.isr()).toContain(0);
    }
  });

  test("a store that one leader takes out of its ISR is listed by the leaders of other journals", async () => {
    const second = replicatedTopic(2, { baseJournal: 1 });
    const other = await world.start(1);
    await other.append(second, "there");
    await other.lead(1);
    await world.clock.advance(2 * FLUSH_TIMEOUT_MS);
    const lost = world.keys(2).filter((key) => !world.keys(2).slice(0, 1).includes(key));
    leader.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(8_000);
    for (const key of lost) world.service(2).delete(key);
    expect(leader.isr()).toEqual([0, 1]);
    await world.clock.run(other.journal(0).catchUp(never));
    await world.clock.advance(3 * REPLICATION_TICK_MS);
    const ofSecond = [...other.journal(1).state.partitions.values()].flatMap(({ entries }) => entries);
    for (const { place } of ofSecond) if (place.kind === "object") expect(world.keys(2)).toContain(place.key);
  });
});

describe("the journal", () => {
  test("loses answers to changes of the ISR: what became of them is found by the fold", async () => {
    const tried = new Set<string>();
    const lossy: JournalFaultPlan = {
      next({ method, journal, seq }) {
        if (method !== "append" || tried.has(`${journal} ${seq}`)) return undefined;
        tried.add(`${journal} ${seq}`);
        return { kind: "lost-answer" };
      },
    };
    const other = await world.start(1, { journalFaults: lossy });
    await other.lead();
    await world.clock.advance(2 * FLUSH_TIMEOUT_MS);
    other.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(10_000, other);
    expect(other.isr()).toEqual([0, 1]);
    expect(other.journal().state.isrEpoch).toBe(1);
    other.faults.clear();
    await world.clock.advance(15_000);
    expect(other.isr()).toEqual([0, 1, 2]);
    expect(other.journal().state.isrEpoch).toBe(2);
  });

  test("may be away: stores stay in the ISR or out of it until it is back", async () => {
    let isAway = false;
    const away: JournalFaultPlan = { next: () => (isAway ? { kind: "failure" } : undefined) };
    const other = await world.start(1, { journalFaults: away });
    await other.lead();
    other.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(10_000, other);
    isAway = true;
    other.faults.clear();
    await world.clock.advance(60_000);
    expect(other.isr()).toEqual([0, 1]);
    isAway = false;
    await world.clock.advance(60_000);
    expect(other.isr()).toEqual([0, 1, 2]);
    expectWhole();
  });
});

describe("a listing", () => {
  test("that is behind does no harm: what it does not show is not written twice", async () => {
    await leader.appendMany(topic, 5);
    await leader.settle();
    const before = world.services.map(({ objects }) => new Map(objects));
    leader.faults.set(2, ({ operation }) => (operation === "list" ? { kind: "empty" } : undefined));
    leader.tracker.noteOutage(2);
    await world.clock.advance(5_000);
    expect(leader.calls.some(({ operation, store }) => operation === "list" && store === 2)).toBe(true);
    expect(world.services.map(({ objects }) => new Map(objects))).toEqual(before);
    expect(leader.owed(2)).toBe(0);
  });

  test("finds copies that were cut, and they are written anew", async () => {
    await leader.appendMany(topic, 3);
    await leader.settle();
    const [key] = world.keys(2);
    if (key === undefined) throw new Error("no object");
    world.service(2).truncate(key, 30);
    leader.tracker.noteOutage(2);
    await world.clock.advance(5_000);
    expect(world.service(2).objects.get(key)?.bytes).toEqual(world.service(0).objects.get(key)?.bytes);
  });

  test("asks only for the stores of a partition's placement", async () => {
    const twice = replicatedTopic(3, { replicationFactor: 2 });
    await leader.append(twice, "two copies");
    await leader.settle();
    leader.tracker.noteOutage(2);
    await world.clock.advance(5_000);
    expect(world.keys(2).length).toBe(world.keys(0).length - 1);
    expect(world.keys(1)).toEqual(world.keys(0));
  });
});

describe("snapshots", () => {
  test("that a store missed are brought", async () => {
    leader.faults.set(2, always({ kind: "full" }));
    await world.clock.run(takeSnapshot());
    await leader.settle();
    const key = world
      .service(0)
      .sortedKeys()
      .find((each) => each.startsWith("journals/"));
    if (key === undefined) throw new Error("no snapshot");
    leader.faults.clear();
    expect(world.service(2).objects.has(key)).toBe(false);
    await world.clock.advance(LATE_COPY_MS_MAX + 10_000);
    expect(world.service(2).objects.get(key)?.bytes).toEqual(world.service(0).objects.get(key)?.bytes);
  });

  test("that the newest pointers name are brought to a store that lost them, with the hash that the pointer says", async () => {
    await world.clock.run(takeSnapshot());
    await leader.settle();
    const key = world
      .service(0)
      .sortedKeys()
      .find((each) => each.startsWith("journals/"));
    if (key === undefined) throw new Error("no snapshot");
    const good = world.service(1).objects.get(key)?.bytes.slice();
    world.empty(2);
    world.service(0).damage(key, 5);
    leader.tracker.noteOutage(2);
    await world.clock.advance(10_000);
    for (const id of [0, 1, 2]) expect(world.service(id).objects.get(key)?.bytes).toEqual(good);
  });

  async function takeSnapshot(): Promise<void> {
    const journal = leader.journal();
    if (!(journal instanceof ReplicatedState)) throw new Error("another kind of journal");
    await journal.takeSnapshot(never);
  }
});

describe("a process that runs on a schedule", () => {
  test("takes a store that stays away out of the ISR, and back in when it is whole", async () => {
    const writer = await world.start(8, { isOnDemand: true });
    writer.faults.set(2, always({ kind: "unavailable" }));
    await writer.appendMany(topic, 5);
    const scheduled = await world.start(9, { isOnDemand: true });
    scheduled.faults.set(2, always({ kind: "unavailable" }));
    expect(await world.clock.run(scheduled.replication.runOnce(never))).toBe(1);
    expect(scheduled.isr()).toEqual([0, 1]);
    scheduled.faults.clear();
    expect(await world.clock.run(scheduled.replication.runOnce(never))).toBe(6);
    expect(scheduled.isr()).toEqual([0, 1, 2]);
    expectWhole();
    await world.clock.advance(60_000);
    await world.clock.run(scheduled.replication.runOnce(never));
    scheduled.calls.length = 0;
    await world.clock.advance(60_000);
    expect(await world.clock.run(scheduled.replication.runOnce(never))).toBe(0);
    expect(scheduled.calls).toEqual([]);
  });

  test("asks no store for anything when nothing was written for a day, unless one is out of the ISR", async () => {
    leader.faults.set(2, always({ kind: "slow", delayMs: 100 }));
    await leader.appendMany(topic, 3);
    await leader.settle();
    const first = await world.start(8, { isOnDemand: true });
    await world.clock.run(first.replication.runOnce(never));
    expect(first.calls.some(({ operation }) => operation === "list")).toBe(true);
    await world.clock.advance(COPIES_IN_DOUBT_MS);
    const atRest = await world.start(9, { isOnDemand: true });
    await world.clock.run(atRest.replication.runOnce(never));
    expect(atRest.calls).toEqual([]);
    const { isrEpoch: expectedIsrEpoch } = leader.journal().state;
    const command = { kind: "alter-isr", expectedIsrEpoch, isr: [0, 1] } as const;
    await world.clock.run(leader.journal().propose(command, { lane: "isr", signal: never }));
    world.empty(2);
    const later = await world.start(10, { isOnDemand: true });
    expect(await world.clock.run(later.replication.runOnce(never))).toBe(5);
    expect(later.isr()).toEqual([0, 1, 2]);
    expectWhole();
  });
});
