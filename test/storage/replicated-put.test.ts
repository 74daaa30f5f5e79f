import { describe, expect, test } from "vitest";
import {
  MemoryObjectService,
  MemoryObjectStore,
  type StoreFault,
  type StoreFaultPlan,
} from "#lib/adapters/memory/memory-object-store.ts";
import { type LogFields, SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import { ReplicatedWriter } from "#lib/storage/replicated-put.ts";
import { StoreHealth } from "#lib/storage/store-health.ts";
import { StoreSet, UnknownStoreError } from "#lib/storage/store-set.ts";
import { watchStores } from "#lib/storage/watched-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import {
  STORE_BACKGROUND_BYTES_MAX,
  STORE_BACKGROUND_MS_MAX,
  STORE_PUT_ATTEMPTS_MAX,
  STORE_SUSPECT_MS,
  STORE_TRIAL_SPACING_MS,
} from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const key = objectKey("wal/0000000001/ab/cd");
const never = new AbortController().signal;

function threeStores(plans: readonly (StoreFaultPlan | undefined)[]) {
  const clock = new ManualClock();
  const health = new StoreHealth(clock);
  const services = [0, 1, 2].map(() => new MemoryObjectService(clock));
  const calls = [0, 0, 0];
  const bare = services.map((service, id) => {
    const faults: StoreFaultPlan = (call) => {
      calls[id] = (calls[id] ?? 0) + 1;
      return plans[id]?.(call);
    };
    return [id, new MemoryObjectStore(service, { clock, faults })] as const;
  });
  const stores = watchStores(new StoreSet(new Map(bare)), health);
  const warnings: LogFields[] = [];
  const logger = { ...SILENT_LOGGER, warn: (_: string, fields: LogFields = {}) => void warnings.push(fields) };
  const late: string[] = [];
  const lateCopies = {
    arrived: (_: string, id: number) => void late.push(`${id} arrived`),
    missed: (_: string, id: number, byteLength: number) => void late.push(`${id} missed ${byteLength}`),
  };
  const writer = new ReplicatedWriter({ stores, clock, random: new SeededRandom(1), logger, health, lateCopies });
  const put = (needed: number, signal = never, chunks: readonly Uint8Array[] = [Buffer.from("abc")]) =>
    writer.put({ key, chunks, placement: [0, 1, 2], needed }, signal);
  const makeSuspect = async () => {
    await clock.run(put(2));
    await clock.run(writer.drain());
    calls.fill(0);
    late.length = 0;
  };
  const holders = () => services.flatMap((service, id) => (service.objects.has(key) ? [id] : []));
  return { clock, services, writer, put, holders, warnings, health, calls, late, makeSuspect };
}

const always = (fault: StoreFault) => (): StoreFault => fault;

describe("ReplicatedWriter", () => {
  test("a put reaches every store of the placement", async () => {
    const { put, holders, writer } = threeStores([]);
    expect((await put(2)).length).toBeGreaterThanOrEqual(2);
    await writer.drain();
    expect(holders()).toEqual([0, 1, 2]);
  });

  test("the answer comes when enough stores have it; the slow one gets it later", async () => {
    const { put, holders, clock, writer } = threeStores([always({ kind: "slow", delayMs: 5_000 })]);
    expect(await put(2)).toEqual([1, 2]);
    expect(holders()).toEqual([1, 2]);
    expect(writer.backgroundBytes).toBe(3);
    await clock.run(writer.drain());
    expect(holders()).toEqual([0, 1, 2]);
    expect(writer.backgroundBytes).toBe(0);
    expect(clock.timerCount).toBe(0);
  });

  test("a lost answer is tried again and found written", async () => {
    const loseFirst: StoreFaultPlan = ({ index }) => (index === 0 ? { kind: "lost-answer" } : undefined);
    const { put, clock } = threeStores([loseFirst, loseFirst, loseFirst]);
    expect(await clock.run(put(3))).toEqual([0, 1, 2]);
  });

  test("a store that never answers well is tried a few times and then counts as failed", async () => {
    let calls = 0;
    const failing: StoreFaultPlan = () => {
      calls++;
      return { kind: "unavailable" };
    };
    const { put, clock, warnings } = threeStores([failing]);
    await expect(clock.run(put(3))).rejects.toMatchObject({ name: "StoreUnavailableError", reason: "io" });
    expect(calls).toBe(STORE_PUT_ATTEMPTS_MAX);
    expect(warnings).toMatchObject([{ store: 0, key }]);
  });

  test("a full store is not tried again, and the error says full", async () => {
    let calls = 0;
    const full: StoreFaultPlan = () => {
      calls++;
      return { kind: "full" };
    };
    const { put } = threeStores([full, always({ kind: "root" })]);
    const error = await put(2).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error).toMatchObject({ reason: "full" });
    expect(String(error)).toContain("store 1: StoreUnavailableError: memory store: the root is missing");
    expect(calls).toBe(1);
  });

  test("the put fails at once when the copies needed cannot be reached any more", async () => {
    const { put, clock } = threeStores([always({ kind: "full" }), always({ kind: "full" }), always({ kind: "hang" })]);
    await expect(put(2)).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(clock.monotonicMs()).toBe(0);
  });

  test("an aborted put gives up its uploads", async () => {
    const { put, writer, holders } = threeStores([always({ kind: "hang" }), always({ kind: "hang" })]);
    const controller = new AbortController();
    const pending = put(2, controller.signal);
    controller.abort(new Error("deadline"));
    await expect(pending).rejects.toThrow("deadline");
    await writer.drain();
    expect(holders()).not.toContain(0);
    expect(writer.backgroundBytes).toBe(0);
  });

  test("the caller's signal does not end an upload that goes on after the answer", async () => {
    const { put, clock, writer, holders } = threeStores([always({ kind: "slow", delayMs: 100 })]);
    const controller = new AbortController();
    await put(2, controller.signal);
    controller.abort();
    await clock.run(writer.drain());
    expect(holders()).toEqual([0, 1, 2]);
  });

  test("late copies are bounded in time", async () => {
    const { put, clock, writer } = threeStores([always({ kind: "hang" })]);
    await put(2);
    await clock.run(writer.drain());
    expect(clock.monotonicMs()).toBe(STORE_BACKGROUND_MS_MAX);
    expect(writer.backgroundBytes).toBe(0);
  });

  test("late copies are bounded in bytes: what comes beyond is left out", async () => {
    const { put, writer, warnings, clock } = threeStores([always({ kind: "hang" })]);
    const chunk = Buffer.alloc(STORE_BACKGROUND_BYTES_MAX / 2);
    for (let round = 0; round < 2; round++) await put(2, never, [chunk]);
    await put(2, never, [Buffer.from("x")]);
    expect(writer.backgroundBytes).toBe(STORE_BACKGROUND_BYTES_MAX);
    await clock.endOfTurn();
    expect(warnings).toHaveLength(1);
    await clock.run(writer.drain());
  });
});

describe("ReplicatedWriter with a store that fails", () => {
  test("a suspect store is left out while the others are enough, but for one upload a second", async () => {
    const { put, calls, clock, writer, late, makeSuspect } = threeStores([always({ kind: "unavailable" })]);
    await makeSuspect();
    await clock.run(Promise.all([put(2), put(2), put(2)]));
    await clock.run(writer.drain());
    expect(calls[0]).toBe(STORE_PUT_ATTEMPTS_MAX);
    calls.fill(0);
    expect(await put(2)).toEqual([1, 2]);
    expect(calls).toEqual([0, 1, 1]);
    await clock.advance(STORE_TRIAL_SPACING_MS);
    await clock.run(put(2));
    expect(calls[0]).toBeGreaterThan(0);
    await clock.run(writer.drain());
    expect(late).toEqual(Array(5).fill("0 missed 3"));
  });

  test("a store that hangs is suspect after seconds and holds one upload at a time from then on", async () => {
    const { put, calls, clock, writer, health } = threeStores([always({ kind: "hang" })]);
    await put(2);
    expect(health.isSuspect(0)).toBe(false);
    await clock.advance(STORE_SUSPECT_MS + 1);
    expect(health.isSuspect(0)).toBe(true);
    for (let round = 0; round < 10; round++) {
      await put(2);
      await clock.advance(STORE_TRIAL_SPACING_MS);
    }
    expect(calls[0]).toBe(2);
    await clock.run(writer.drain());
  });

  test("a suspect store is tried at once when the others are not enough", async () => {
    let isFailing = true;
    const plan: StoreFaultPlan = () => (isFailing ? { kind: "unavailable" } : undefined);
    const { put, clock, calls, makeSuspect } = threeStores([plan]);
    await makeSuspect();
    isFailing = false;
    expect(await clock.run(put(3))).toEqual([0, 1, 2]);
    expect(calls).toEqual([1, 1, 1]);
  });

  test("a suspect store that was left out is tried when another one fails", async () => {
    let failing = 0;
    const plan =
      (id: number): StoreFaultPlan =>
      () =>
        failing === id ? { kind: "full" } : undefined;
    const { put, clock, makeSuspect, writer } = threeStores([plan(0), plan(1), plan(2)]);
    for (let round = 0; round < 3; round++) await makeSuspect();
    // The trial of this second is used up.
    expect(await put(2)).toEqual([1, 2]);
    failing = 1;
    expect(await clock.run(put(2))).toEqual([0, 2]);
    await clock.run(writer.drain());
  });

  test("an observer hears of each copy that the answer does not name", async () => {
    const { put, clock, writer, late } = threeStores([
      always({ kind: "slow", delayMs: 100 }),
      undefined,
      always({ kind: "full" }),
    ]);
    expect(await put(1)).toEqual([1]);
    await clock.run(writer.drain());
    expect(late).toEqual(["0 arrived", "2 missed 3"]);
  });
});

describe("StoreSet", () => {
  const clock = new ManualClock();
  const store = () => new MemoryObjectStore(new MemoryObjectService(clock), { clock });
  const stores = new StoreSet(new Map([2, 0, 1].map((id) => [id, store()])), 1);

  test("stores are tried nearest first, then the other copies, then the rest of the placement", () => {
    expect(stores.ids).toEqual([0, 1, 2]);
    expect(stores.readOrder([2, 1])).toEqual([1, 2, 0]);
    expect(stores.readOrder([2], [0, 1, 2])).toEqual([2, 1, 0]);
    expect(stores.readOrder([2], [2, 0])).toEqual([2, 0]);
    expect(stores.readOrder([7, 0], [0])).toEqual([0]);
  });

  test("an unknown store is an error", () => {
    expect(() => stores.store(3)).toThrow(UnknownStoreError);
    expect(() => new StoreSet(new Map([[0, store()]]), 5)).toThrow(UnknownStoreError);
    expect(() => new StoreSet(new Map())).toThrow(UnknownStoreError);
  });
});
