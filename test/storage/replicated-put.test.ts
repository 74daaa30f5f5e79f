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
import { StoreSet, UnknownStoreError } from "#lib/storage/store-set.ts";
import { objectKey } from "#lib/util/branded.ts";
import { STORE_BACKGROUND_BYTES_MAX, STORE_BACKGROUND_MS_MAX, STORE_PUT_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const key = objectKey("wal/0000000001/ab/cd");
const never = new AbortController().signal;

function threeStores(plans: readonly (StoreFaultPlan | undefined)[]) {
  const clock = new ManualClock();
  const services = [0, 1, 2].map(() => new MemoryObjectService(clock));
  const stores = new StoreSet(
    new Map(
      services.map((service, id) => {
        const faults = plans[id];
        return [id, new MemoryObjectStore(service, faults === undefined ? { clock } : { clock, faults })];
      }),
    ),
  );
  const warnings: LogFields[] = [];
  const logger = { ...SILENT_LOGGER, warn: (_: string, fields: LogFields = {}) => void warnings.push(fields) };
  const writer = new ReplicatedWriter({ stores, clock, random: new SeededRandom(1), logger });
  const put = (needed: number, signal = never, chunks: readonly Uint8Array[] = [Buffer.from("abc")]) =>
    writer.put({ key, chunks, placement: [0, 1, 2], needed }, signal);
  const holders = () => services.flatMap((service, id) => (service.objects.has(key) ? [id] : []));
  return { clock, services, writer, put, holders, warnings };
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
