import { beforeEach, describe, expect, test } from "vitest";
import type { StoreCall, StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import {
  FLUSH_TIMEOUT_MS,
  ISR_SUSPECT_MS_MAX,
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

describe("a healthy cluster", () => {
  test("makes no request while nothing happens", async () => {
    leader.calls.length = 0;
    await world.clock.advance(60 * 60_000);
    expect(leader.calls).toEqual([]);
  });

  test("asks no store about copies that came late through this process", async () => {
    leader.faults.set(2, ({ operation }) => (operation === "putIfAbsent" ? { kind: "slow", delayMs: 200 } : undefined));
    await leader.appendMany(topic, 5);
    await leader.settle();
    leader.calls.length = 0;
    await world.clock.advance(5 * LATE_COPY_MS_MAX);
    expect(leader.calls).toEqual([]);
    expect(leader.owed(2)).toBe(0);
    expectWhole();
  });
});

describe("a store that fails", () => {
  test.each(["unavailable", "hang", "full", "root"] as const)(
    "by %s leaves the ISR within seconds, while appends go on",
    async (kind) => {
      leader.faults.set(2, always({ kind }));
      await appendFor(6_000 + ISR_SUSPECT_MS_MAX + REPLICATION_TICK_MS);
      expect(leader.isr()).toEqual([0, 1]);
      expect(leader.messages()).toContain("a store has left the ISR");
    },
  );

  test("at one call, with nothing written after it, is found out all the same", async () => {
    leader.faults.set(2, always({ kind: "root" }));
    expect(await leader.append(topic)).toBe("appended");
    await world.clock.advance(4 * REPLICATION_TICK_MS + ISR_SUSPECT_MS_MAX);
    expect(leader.isr()).toEqual([0, 1]);
    leader.faults.clear();
    await world.clock.advance(STORE_WRITE_DOUBT_MS + 5 * REPLICATION_TICK_MS);
    expect(leader.isr()).toEqual([0, 1, 2]);
    expectWhole();
    await world.clock.advance(2 * FLUSH_TIMEOUT_MS);
    leader.calls.length = 0;
    await world.clock.advance(60_000);
    expect(leader.calls).toEqual([]);
  });

  test("and comes back is listed and made whole before it counts again", async () => {
    leader.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(10_000);
    expect(leader.isr()).toEqual([0, 1]);
    expect(leader.owed(2)).toBeGreaterThan(5);
    const missing = world.keys(0).length - world.keys(2).length;
    expect(missing).toBeGreaterThan(5);
    leader.faults.clear();
    leader.calls.length = 0;
    await world.clock.advance(10_000);
    expectWhole();
    expect(leader.isr()).toEqual([0, 1, 2]);
    expect(leader.owed(2)).toBe(0);
    expect(leader.calls.filter(({ store, operation }) => store === 2 && operation === "list").length).toBe(1);
    expect(leader.calls.filter(({ store, operation }) => store === 2 && operation === "putIfAbsent").length).toBe(
      missing,
    );
  });

  test("and comes back empty within the lag time is filled again", async () => {
    await leader.appendMany(topic, 5);
    await leader.settle();
    world.service(2).isDown = true;
    await appendFor(2_000);
    world.service(2).isDown = false;
    world.empty(2);
    expect(leader.isr()).toEqual([0, 1, 2]);
    await world.clock.advance(10_000);
    expectWhole();
    expect(leader.isr()).toEqual([0, 1, 2]);
  });

  test("loses what a flush under way says it has: what is new is looked at again when such flushes have ended", async () => {
    const putsTake = (delayMs: number) => (call: StoreCall) =>
      call.operation === "putIfAbsent" ? ({ kind: "slow", delayMs } as const) : undefined;
    leader.faults.set(0, putsTake(4_000));
    leader.faults.set(1, putsTake(3_000));
    const before = world.keys(2);
    const appended = leader.append(topic, "claimed");
    await world.clock.endOfTurn();
    const [claimed] = world.keys(2).filter((key) => !before.includes(key));
    if (claimed === undefined) throw new Error("store 2 has not got it");
    // The outage, and the listing after it, fall between the upload and the commit.
    world.service(2).delete(claimed);
    leader.tracker.noteOutage(2);
    expect(await appended).toBe("appended");
    leader.faults.clear();
    await leader.settle();
    expect(world.keys(2)).not.toContain(claimed);
    await world.clock.advance(FLUSH_TIMEOUT_MS + 2 * REPLICATION_TICK_MS);
    expectWhole();
  });

  test("and comes back without its marker stays out, whatever it answers", async () => {
    world.service(2).isDown = true;
    await appendFor(10_000);
    world.empty(2, { keepMarker: false });
    world.service(2).isDown = false;
    await world.clock.advance(30_000);
    expect(leader.isr()).toEqual([0, 1]);
    expect(leader.replication.stores()[2]).toMatchObject({ isSuspect: true });
    expect(world.keys(2)).toEqual([]);
    world.empty(2);
    await world.clock.advance(10_000);
    expect(leader.isr()).toEqual([0, 1, 2]);
    expectWhole();
  });

  test("to be written, and can be read, is not listed every few seconds", async () => {
    leader.faults.set(2, ({ operation }) => (operation === "putIfAbsent" ? { kind: "unavailable" } : undefined));
    await appendFor(8_000);
    leader.calls.length = 0;
    await world.clock.advance(10 * 60_000);
    expect(leader.isr()).toEqual([0, 1]);
    expect(leader.calls.filter(({ operation }) => operation === "list").length).toBeLessThan(25);
    leader.faults.clear();
    await world.clock.advance(2 * 60_000);
    expect(leader.isr()).toEqual([0, 1, 2]);
    expectWhole();
  });

  test("again while it is being filled goes on from where it was", async () => {
    leader.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(10_000);
    let putsLeft = 3;
    leader.faults.set(2, ({ operation }) => {
      if (operation !== "putIfAbsent") return undefined;
      return putsLeft-- > 0 ? undefined : { kind: "unavailable" };
    });
    await world.clock.advance(8_000);
    expect(leader.isr()).toEqual([0, 1]);
    expect(world.keys(2).length).toBeLessThan(world.keys(0).length);
    leader.faults.clear();
    await world.clock.advance(20_000);
    expectWhole();
    expect(leader.isr()).toEqual([0, 1, 2]);
  });

  test("is never the last one to leave: without any good store the ISR stays", async () => {
    for (const store of [0, 1, 2]) leader.faults.set(store, always({ kind: "unavailable" }));
    for (let n = 0; n < 10; n++) {
      await leader.append(topic);
      await world.clock.advance(1_000);
    }
    expect(leader.isr()).toEqual([0, 1, 2]);
  });

  test("is not judged by a broker that does not lead the journal", async () => {
    const other = await world.start(1);
    other.faults.set(2, always({ kind: "unavailable" }));
    for (let n = 0; n < 10; n++) {
      await other.append(topic);
      await world.clock.advance(1_000);
    }
    expect(other.replication.stores()[2]).toMatchObject({ isSuspect: true });
    expect(other.isr()).toEqual([0, 1, 2]);
  });
});

describe("copies that commits do not name", () => {
  test("of another process are looked for after ten seconds, and brought", async () => {
    const writer = await world.start(7);
    writer.faults.set(2, ({ operation }) => (operation === "putIfAbsent" ? { kind: "full" } : undefined));
    await writer.append(topic, "elsewhere");
    await writer.settle();
    await world.clock.run(leader.journal().catchUp(never));
    expect(world.keys(2).length).toBe(world.keys(0).length - 1);
    await world.clock.advance(LATE_COPY_MS_MAX + 2 * REPLICATION_TICK_MS);
    expectWhole();
  });

  test("that a reader finds missing are brought, and the store is listed for others", async () => {
    await leader.appendMany(topic, 4);
    await leader.settle();
    const [first, second] = world.keys(1);
    if (first === undefined || second === undefined) throw new Error("no objects");
    const { bytes } = world.service(1).objects.get(first) ?? {};
    for (const key of [first, second]) world.service(1).delete(key);
    await world.clock.advance(60_000);
    expect(world.keys(1)).not.toContain(first);
    const object = { key: first, byteLength: bytes?.byteLength ?? 0, copies: [0, 1, 2] };
    leader.tracker.noteLost({ object, storeId: 1, kind: "missing", problem: "404" });
    await world.clock.advance(2 * REPLICATION_TICK_MS);
    expectWhole();
  });

  test("that a reader finds damaged are written anew, from a copy whose checksums hold", async () => {
    await leader.appendMany(topic, 2);
    await leader.settle();
    const [key] = world.keys(1);
    if (key === undefined) throw new Error("no object");
    const good = world.service(2).objects.get(key)?.bytes.slice();
    world.service(0).damage(key, 40);
    world.service(1).damage(key, 50);
    const object = { key, byteLength: good?.byteLength ?? 0, copies: [0, 1, 2] };
    leader.tracker.noteLost({ object, storeId: 1, kind: "damaged", problem: "CRC" });
    await world.clock.advance(3 * REPLICATION_TICK_MS);
    for (const id of [0, 1, 2]) expect(world.service(id).objects.get(key)?.bytes).toEqual(good);
  });

  test("that are said to be damaged and are not stay as they are", async () => {
    const [key] = world.keys(1);
    if (key === undefined) throw new Error("no object");
    const object = { key, byteLength: world.service(1).objects.get(key)?.bytes.byteLength ?? 0, copies: [0, 1, 2] };
    leader.calls.length = 0;
    leader.tracker.noteLost({ object, storeId: 1, kind: "damaged", problem: "CRC" });
    await world.clock.advance(3 * REPLICATION_TICK_MS);
    expect(leader.calls.map(({ operation, store }) => `${operation} ${store}`)).toEqual(["get 1"]);
  });

  test("of which no store has one are told once, and hold no store back", async () => {
    await leader.appendMany(topic, 2);
    await leader.settle();
    const [lost] = world.keys(0);
    if (lost === undefined) throw new Error("no object");
    leader.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(10_000);
    for (const id of [0, 1, 2]) world.service(id).delete(lost);
    leader.faults.clear();
    await world.clock.advance(LAG_MS + 30_000);
    expect(leader.isr()).toEqual([0, 1, 2]);
    const told = leader.log.filter(({ message }) => message.startsWith("no store has"));
    expect(told).toMatchObject([{ fields: { key: lost } }]);
  });

  test("are not looked for again and again when all stores have lost them together", async () => {
    leader.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(10_000);
    const keys = world.keys(0).filter((key) => key.startsWith("wal/"));
    for (const id of [0, 1]) for (const key of keys) world.service(id).delete(key);
    leader.faults.clear();
    await world.clock.advance(LAG_MS + 30_000);
    leader.calls.length = 0;
    await world.clock.advance(60_000);
    expect(leader.calls).toEqual([]);
  });

  test("are waited for while a store that may have one does not answer", async () => {
    leader.faults.set(2, always({ kind: "unavailable" }));
    await appendFor(10_000);
    const onlyAtZero = world.keys(0).at(-1);
    if (onlyAtZero === undefined) throw new Error("no object");
    world.service(1).delete(onlyAtZero);
    leader.faults.set(0, ({ operation }) => (operation.startsWith("get") ? { kind: "unavailable" } : undefined));
    leader.faults.delete(2);
    await world.clock.advance(LAG_MS + 20_000);
    expect(leader.isr()).not.toContain(2);
    leader.faults.clear();
    await world.clock.advance(LAG_MS);
    expect(leader.isr()).toEqual([0, 1, 2]);
    expectWhole();
  });
});
