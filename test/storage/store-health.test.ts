import { beforeEach, describe, expect, test } from "vitest";
import { MemoryObjectService, MemoryObjectStore, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import {
  STORE_SUSPECT_FAILURES,
  STORE_SUSPECT_MS,
  STORE_TRIAL_SPACING_MS,
  STORE_WRITE_DOUBT_MS,
} from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";

const signal = new AbortController().signal;
const key = objectKey("wal/0000000001/ab/cd");
const log = objectKey("segments/0000000001/ab/t-0/00000000000000000000.log");

let clock: ManualClock;
let health: StoreHealth;
let fault: StoreFault | undefined;
let putCount: number;
let store: ReturnType<StoreSet["store"]>;

beforeEach(() => {
  clock = new ManualClock();
  health = new StoreHealth(clock);
  fault = undefined;
  putCount = 0;
  const bare = new MemoryObjectStore(new MemoryObjectService(clock), { clock, faults: () => fault, composes: true });
  store = watchStores(new StoreSet(new Map([[0, bare]])), health).store(0);
});

const read = () => store.get(key, signal).catch(() => undefined);
const write = () =>
  store.putIfAbsent(objectKey(`wal/${putCount++}`), [Buffer.from("x")], signal).catch(() => undefined);

async function failUntilSuspect(call: () => Promise<unknown>, kind: "unavailable" | "full" | "root" = "unavailable") {
  fault = { kind };
  for (let count = 0; count < STORE_SUSPECT_FAILURES; count++) await call();
  expect(health.isSuspect(0)).toBe(true);
  fault = undefined;
}

describe("StoreHealth", () => {
  test("a store is suspect after three failures in a row, and not before", async () => {
    fault = { kind: "unavailable" };
    for (let count = 1; count < STORE_SUSPECT_FAILURES; count++) await write();
    expect(health.isSuspect(0)).toBe(false);
    await write();
    expect(health.suspectSinceMs(0)).toBe(clock.monotonicMs());
  });

  test("an answer in between begins the count anew", async () => {
    for (let round = 0; round < STORE_SUSPECT_FAILURES; round++) {
      fault = { kind: "unavailable" };
      for (let count = 1; count < STORE_SUSPECT_FAILURES; count++) await write();
      fault = undefined;
      await write();
    }
    expect(health.isSuspect(0)).toBe(false);
    expect(health.outages(0)).toBe(0);
  });

  test("a store that fails for seconds is suspect, however seldom it is called", async () => {
    fault = { kind: "unavailable" };
    await write();
    await clock.advance(STORE_SUSPECT_MS);
    expect(health.isSuspect(0)).toBe(false);
    await write();
    expect(health.isSuspect(0)).toBe(true);
  });

  test("that an object does not exist is an answer", async () => {
    for (let count = 0; count < 2 * STORE_SUSPECT_FAILURES; count++) await read();
    expect(health.isSuspect(0)).toBe(false);
  });

  test("a silent store is suspect before anybody gives it up, and an answer clears it without an outage", async () => {
    fault = { kind: "slow", delayMs: STORE_SUSPECT_MS + 500 };
    const writing = write();
    await clock.advance(STORE_SUSPECT_MS + 1);
    expect(health.isSuspect(0)).toBe(true);
    await clock.run(writing);
    expect(health.isSuspect(0)).toBe(false);
    expect(health.outages(0)).toBe(0);
  });

  test("a slow store that answers other writes meanwhile is not suspect", async () => {
    fault = { kind: "slow", delayMs: 2 * STORE_SUSPECT_MS };
    const slow = write();
    await clock.advance(1);
    fault = undefined;
    await write();
    await clock.advance(STORE_SUSPECT_MS + 1);
    expect(health.isSuspect(0)).toBe(false);
    await clock.run(slow);
  });

  test("a call that its caller gives up early says nothing; one that took too long is a failure", async () => {
    fault = { kind: "hang" };
    const giveUpAfter = async (ms: number) => {
      using limit = timeLimit(clock, ms);
      await clock.run(store.get(key, limit.signal).catch(() => undefined));
    };
    for (let count = 0; count < 2 * STORE_SUSPECT_FAILURES; count++) await giveUpAfter(100);
    expect(health.isSuspect(0)).toBe(false);
    await giveUpAfter(20_000);
    expect(health.isSuspect(0)).toBe(true);
    fault = undefined;
    await read();
    expect(health.outages(0)).toBe(1);
  });

  test("a log that a store cannot make, or does not come to the end of, says nothing of other calls", async () => {
    const run = { key, position: 0, byteLength: 100, baseOffset: 0, batches: new Uint8Array([100, 1]) };
    const compose = async (by = signal) => store.composeLog?.(log, { baseOffset: 0, runs: [run] }, by);
    for (const kind of ["unavailable", "full", "hang"] as const) {
      fault = { kind };
      for (let count = 0; count < STORE_SUSPECT_FAILURES; count++) {
        using limit = timeLimit(clock, 600_000);
        await clock.run(expect(compose(limit.signal)).rejects.toThrow());
      }
      expect(health.isFailing(0), kind).toBe(false);
    }
    fault = { kind: "root" };
    await expect(compose()).rejects.toThrow();
    fault = undefined;
    await write();
    expect(health.outages(0)).toBe(1);
  });

  test("a store that can be read but not written stays suspect while it is written to", async () => {
    await failUntilSuspect(write, "full");
    await read();
    expect(health.isSuspect(0)).toBe(true);
    await clock.advance(STORE_WRITE_DOUBT_MS);
    await read();
    expect(health.isSuspect(0)).toBe(false);
    fault = { kind: "full" };
    await write();
    expect(health.isSuspect(0)).toBe(true);
    fault = undefined;
    await write();
    expect(health.isSuspect(0)).toBe(false);
  });

  test("coming back counts as an outage, once", async () => {
    await failUntilSuspect(read);
    await read();
    await read();
    expect(health.isSuspect(0)).toBe(false);
    expect(health.outages(0)).toBe(1);
  });

  test("one look at a root that is gone is an outage, for another one may have been there", async () => {
    fault = { kind: "root" };
    await read();
    fault = undefined;
    await read();
    expect(health.outages(0)).toBe(1);
  });

  test("a store without its marker is suspect whatever it answers, until it shows the marker", async () => {
    health.noteProof(0, false);
    await write();
    await read();
    expect(health.isSuspect(0)).toBe(true);
    health.noteProof(0, true);
    expect(health.isSuspect(0)).toBe(false);
    expect(health.outages(0)).toBe(1);
  });

  test("a suspect store is tried by one write and one read at a time, once a second", () => {
    const first = health.tryTrial(0, "write");
    expect(first).toBeDefined();
    expect(health.tryTrial(0, "write")).toBeUndefined();
    first?.[Symbol.dispose]();
    expect(health.tryTrial(0, "write")).toBeUndefined();
    expect(health.tryTrial(0, "read")).toBeDefined();
  });

  test("the next trial may begin a second later, if the one before has ended", async () => {
    const first = health.tryTrial(0, "write");
    await clock.advance(STORE_TRIAL_SPACING_MS);
    expect(health.tryTrial(0, "write")).toBeUndefined();
    first?.[Symbol.dispose]();
    expect(health.tryTrial(0, "write")).toBeDefined();
  });

  test("suspect stores are asked last", async () => {
    await failUntilSuspect(read);
    expect(health.trustedFirst([0, 1, 2])).toEqual([1, 2, 0]);
    await read();
    expect(health.trustedFirst([0, 1, 2])).toEqual([0, 1, 2]);
  });
});
