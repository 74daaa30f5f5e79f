import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import { ByteBudget } from "#lib/log/fetch-budget.ts";
import { waitForBytes } from "#lib/log/fetch-wait.ts";
import { FetchWaiters } from "#lib/log/fetch-waiters.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { storedBatch } from "./fetch-fixtures.ts";
import { FetchWorld, NEVER, topicOf } from "./fetch-harness.ts";

test("a journal that cannot be followed is told once, and followed again when it answers", async () => {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const writer = world.process();
  await world.run(writer.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }]));
  let fault: JournalFault | undefined;
  const reader = world.process({ journalPollMs: 100, journalFaults: { next: () => fault } });
  await reader.fetchOne(topic, 0, 0);
  const request = { topic, partitionIndex: 0, fetchOffset: 1, bytesMax: 1_000 };
  const fetched = reader.fetch([request], { waitMsMax: 60_000 });
  fault = { kind: "failure" };
  await world.clock.advance(10_000);
  expect(reader.logger.lines.filter((line) => line.includes("cannot follow")).length).toBe(1);
  await writer.append([{ topic, partitionIndex: 0, batches: [storedBatch()] }]);
  fault = undefined;
  await world.clock.advance(20_000);
  expect((await fetched)[0]?.recordsByteLength).toBeGreaterThan(0);
});

test("polls end when the fetch path is disposed of", async () => {
  const world = new FetchWorld();
  const topic = world.addTopic(topicOf(1));
  const reader = world.process({ journalPollMs: 100 });
  const request = { topic, partitionIndex: 0, fetchOffset: 0, bytesMax: 1_000 };
  const fetched = reader.fetch([request], { waitMsMax: 1_000 });
  await world.clock.advance(500);
  reader.fetcher[Symbol.dispose]();
  await world.clock.endOfTurn();
  // What is left is the end of the fetch's own time.
  expect(world.clock.timerCount).toBe(1);
  await world.clock.advance(500);
  expect((await fetched)[0]?.recordsByteLength).toBe(0);
});

test("those who wait look again when a state was loaded anew", async () => {
  const waiters = new FetchWaiters();
  let bytes = 0;
  let isOver = false;
  const options = { waiters, clock: new ManualClock(), waitMs: 1_000, bytesMin: 10, signal: NEVER };
  const waited = waitForBytes(["a:0", "a:1"], () => bytes, options).then(() => {
    isOver = true;
  });
  waiters.touchAll();
  await options.clock.endOfTurn();
  expect(isOver).toBe(false);
  bytes = 5;
  waiters.touchAll();
  await waited;
  expect(waiters.partitionCount).toBe(0);
});

test("a budget lets in who fits, in the order of coming, and one that is larger than all of it alone", async () => {
  const budget = new ByteBudget(100);
  const first = await budget.acquire(60, NEVER);
  const order: string[] = [];
  const large = budget.acquire(1_000, NEVER).then((grant) => {
    order.push("large");
    return grant;
  });
  const small = budget.acquire(10, NEVER).then((grant) => {
    order.push("small");
    return grant;
  });
  await Promise.resolve();
  expect([budget.usedBytes, order]).toEqual([60, []]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  const largeGrant = await large;
  expect([budget.usedBytes, order]).toEqual([100, ["large"]]);
  largeGrant[Symbol.dispose]();
  (await small)[Symbol.dispose]();
  expect([budget.usedBytes, order]).toEqual([0, ["large", "small"]]);
});
