import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import type { StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import type { AppendAnswer } from "#lib/log/log-api.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { PROPOSE_MS_MAX } from "#lib/util/limits.ts";
import { appendOf, type LogProcess, LogWorld, textsOf, topicOf } from "./append-harness.ts";

// A partition takes any first sequence of a producer that it does not know, so nobody but the append path can see to
// it that what is behind a failed batch waits until that one has come again.

const OBJECTS_ONLY = { inlineBytesMax: 0 };

/** The `sequence`th batch, of one record, of producer `producerId`. */
function nth(topic: TopicPlacement, sequence: number, { partition = 0, producerId = 5, producerEpoch = 0 } = {}) {
  const text = `${producerId}.${producerEpoch}/${sequence}`;
  return appendOf(topic, partition, text, { producerId, producerEpoch, baseSequence: sequence });
}

function resultOf([answer]: readonly AppendAnswer[]): string {
  if (answer === undefined) return "nothing";
  if (answer.kind !== "refused") return answer.kind;
  return `refused ${answer.error}`;
}

const HELD_BACK = `refused ${ErrorCode.NOT_LEADER_OR_FOLLOWER}`;
const TIMED_OUT = `refused ${ErrorCode.REQUEST_TIMED_OUT}`;
const STORAGE_ERROR = `refused ${ErrorCode.KAFKA_STORAGE_ERROR}`;

/** The first flush fails after some tries, the second is slower than that. */
const FIRST_FAILS: readonly StoreFault[] = [
  { kind: "unavailable" },
  { kind: "slow", delayMs: 2_000 },
  { kind: "unavailable" },
  { kind: "unavailable" },
];

/** A world with one topic that is open, whose stores have the faults that a test puts into the list. */
async function opened(settings = {}, journalFault?: () => JournalFault | undefined) {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const storeFaults: (StoreFault | undefined)[] = [];
  const process = world.process({
    settings: { ...OBJECTS_ONLY, ...settings },
    storeFaults: () => storeFaults.shift(),
    journalFaults: { next: (call) => (call.method === "append" ? journalFault?.() : undefined) },
  });
  await world.run(process.append([appendOf(topic, 0, "open"), appendOf(topic, 1, "open")]));
  return { world, topic, process, storeFaults };
}

/** Begins a flush of its own for each batch. */
async function pipeline(world: LogWorld, process: LogProcess, appends: readonly ReturnType<typeof nth>[]) {
  const answers: Promise<string>[] = [];
  for (const append of appends) {
    answers.push(process.append([append]).then(resultOf));
    for (let turn = 0; turn < 3; turn++) await world.clock.endOfTurn();
  }
  return answers;
}

test("what is uploaded behind a failed first batch is refused, and comes in order when all is sent again", async () => {
  const { world, topic, process, storeFaults } = await opened();
  storeFaults.push({ kind: "slow", delayMs: 20 }, { kind: "slow", delayMs: 5 });
  const slow = await pipeline(world, process, [nth(topic, 0, { producerId: 6 }), nth(topic, 1, { producerId: 6 })]);
  expect(await world.run(Promise.all(slow))).toEqual(["appended", "appended"]);
  storeFaults.push(...FIRST_FAILS);
  const answers = await pipeline(world, process, [nth(topic, 0), nth(topic, 1)]);
  expect(await world.run(Promise.all(answers))).toEqual([STORAGE_ERROR, HELD_BACK]);
  const again = await pipeline(world, process, [nth(topic, 0), nth(topic, 1), nth(topic, 2)]);
  expect(await world.run(Promise.all(again))).toEqual(["appended", "appended", "appended"]);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", "6.0/0", "6.0/1", "5.0/0", "5.0/1", "5.0/2"]);
});

test("what was uploaded before the first batch failed does not overtake it either", async () => {
  const { world, topic, process, storeFaults } = await opened({ flushTimeoutMs: 1_000 });
  storeFaults.push({ kind: "hang" });
  const answers = await pipeline(world, process, [nth(topic, 0), nth(topic, 1)]);
  expect(await world.run(Promise.all(answers))).toEqual([TIMED_OUT, HELD_BACK]);
  expect(textsOf(world, process, topic, 0)).toEqual(["open"]);
});

test("what was behind a failed batch does not overtake it when it has come again", async () => {
  const { world, topic, process, storeFaults } = await opened();
  storeFaults.push(...FIRST_FAILS, { kind: "slow", delayMs: 3_000 });
  const [first, second] = await pipeline(world, process, [nth(topic, 0), nth(topic, 1)]);
  expect(await world.run(first ?? expect.fail())).toBe(STORAGE_ERROR);
  const again = await pipeline(world, process, [nth(topic, 0), nth(topic, 1)]);
  expect(await world.run(Promise.all([second, ...again]))).toEqual([HELD_BACK, "appended", "appended"]);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", "5.0/0", "5.0/1"]);
});

test("a batch that comes after the failure waits for the failed one, however often it comes", async () => {
  const { world, topic, process, storeFaults } = await opened();
  storeFaults.push({ kind: "root" });
  expect(await world.run(process.append([nth(topic, 0)]).then(resultOf))).toBe(STORAGE_ERROR);
  for (let round = 0; round < 3; round++) {
    expect(await world.run(process.append([nth(topic, 1)]).then(resultOf))).toBe(HELD_BACK);
  }
  expect(await world.run(process.append([nth(topic, 0), nth(topic, 1)]))).toMatchObject([
    { kind: "appended" },
    { kind: "appended" },
  ]);
});

test("other partitions, other producers and plain batches of the same flush are not held back", async () => {
  const { world, topic, process, storeFaults } = await opened();
  storeFaults.push(...FIRST_FAILS);
  const first = process.append([nth(topic, 0), nth(topic, 0, { partition: 1, producerId: 7 })]);
  for (let turn = 0; turn < 3; turn++) await world.clock.endOfTurn();
  const second = process.append([
    nth(topic, 0, { producerId: 6 }),
    nth(topic, 1),
    appendOf(topic, 0, "plain"),
    nth(topic, 2),
    nth(topic, 1, { producerId: 6 }),
    nth(topic, 1, { partition: 1, producerId: 7 }),
    nth(topic, 0, { partition: 1, producerId: 6 }),
  ]);
  await world.run(first);
  const answers = (await world.run(second)).map((answer) => resultOf([answer]));
  expect(answers).toEqual(["appended", HELD_BACK, "appended", HELD_BACK, "appended", HELD_BACK, "appended"]);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", "6.0/0", "plain", "6.0/1"]);
  expect(textsOf(world, process, topic, 1)).toEqual(["open", "6.0/0"]);
});

test("a request that is given up while it waits holds back what waits behind it", async () => {
  const { world, topic, process, storeFaults } = await opened({ uploadsInFlightMax: 1 });
  storeFaults.push({ kind: "slow", delayMs: 50 });
  const [busy] = await pipeline(world, process, [appendOf(topic, 0, "busy")]);
  const gone = new AbortController();
  const first = process.append([nth(topic, 0)], { signal: gone.signal }).then(resultOf);
  const second = process.append([nth(topic, 1)]).then(resultOf);
  gone.abort();
  const before = world.storeServices[0]?.objects.size ?? 0;
  expect(await world.run(Promise.all([busy, first, second]))).toEqual(["appended", TIMED_OUT, HELD_BACK]);
  // The busy one's: nothing is uploaded in vain.
  expect(world.storeServices[0]?.objects.size).toBe(before + 1);
  expect(await world.run(process.append([nth(topic, 0)]).then(resultOf))).toBe("appended");
  expect(await world.run(process.append([nth(topic, 1)]).then(resultOf))).toBe("appended");
});

test("a command that was given up in its lane takes those behind it along", async () => {
  let isBusy = false;
  const { world, topic, process } = await opened({ flushTimeoutMs: 1_000, uploadsInFlightMax: 9 }, () =>
    isBusy ? { kind: "slow", ms: 1_500 } : undefined,
  );
  isBusy = true;
  const [busy] = await pipeline(world, process, [appendOf(topic, 0, "busy")]);
  isBusy = false;
  const [first] = await pipeline(world, process, [nth(topic, 0)]);
  await world.clock.advance(900);
  // Its own time would be over long after the journal answers.
  const [second, plain] = await pipeline(world, process, [nth(topic, 1), appendOf(topic, 0, "plain")]);
  expect(await world.run(Promise.all([busy, first, second, plain]))).toEqual([
    TIMED_OUT,
    TIMED_OUT,
    TIMED_OUT,
    "appended",
  ]);
  const again = await pipeline(world, process, [nth(topic, 0), nth(topic, 1)]);
  expect(await world.run(Promise.all(again))).toEqual(["appended", "appended"]);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", "busy", "plain", "5.0/0", "5.0/1"]);
});

test("behind a batch whose fate is unknown nothing is committed until that is settled", async () => {
  let failsFromMs: number | undefined;
  const { world, topic, process } = await opened({ flushTimeoutMs: 120_000 }, () => {
    if (failsFromMs === undefined) return undefined;
    // The last call of the first record, which the committer then gives up; the second is ready all the time.
    if (world.clock.monotonicMs() - failsFromMs >= PROPOSE_MS_MAX) failsFromMs = undefined;
    return { kind: "failure" };
  });
  failsFromMs = world.clock.monotonicMs();
  const answers = await pipeline(world, process, [nth(topic, 0), nth(topic, 1)]);
  const results = Promise.all(answers);
  expect((await world.run(results))[0]).toBe(TIMED_OUT);
  expect((await results)[1]).toBe(TIMED_OUT);
  const again = await pipeline(world, process, [nth(topic, 0), nth(topic, 1)]);
  expect(await world.run(Promise.all(again))).toEqual(["appended", "appended"]);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", "5.0/0", "5.0/1"]);
});

test("a new epoch begins anew", async () => {
  const { world, topic, process, storeFaults } = await opened();
  storeFaults.push({ kind: "root" });
  expect(await world.run(process.append([nth(topic, 0)]).then(resultOf))).toBe(STORAGE_ERROR);
  const next = { producerEpoch: 1 };
  expect(await world.run(process.append([nth(topic, 3, next)]).then(resultOf))).toBe("appended");
});

test("nothing is held back for ever when the failed batch went through another process", async () => {
  const { world, topic, process, storeFaults } = await opened();
  storeFaults.push({ kind: "root" });
  expect(await world.run(process.append([nth(topic, 0)]).then(resultOf))).toBe(STORAGE_ERROR);
  const other = world.process({ settings: OBJECTS_ONLY });
  expect(await world.run(other.append([nth(topic, 0)]).then(resultOf))).toBe("appended");
  // This process has not heard of it yet, and looks when it is asked.
  expect(await world.run(process.append([nth(topic, 1)]).then(resultOf))).toBe(HELD_BACK);
  await world.clock.advance(1);
  expect(await world.run(process.append([nth(topic, 1)]).then(resultOf))).toBe("appended");
});

test("a producer that the partition knows is held back alike", async () => {
  const { world, topic, process, storeFaults } = await opened();
  expect(await world.run(process.append([nth(topic, 0)]).then(resultOf))).toBe("appended");
  storeFaults.push(...FIRST_FAILS);
  const answers = await pipeline(world, process, [nth(topic, 1), nth(topic, 2)]);
  expect(await world.run(Promise.all(answers))).toEqual([STORAGE_ERROR, HELD_BACK]);
  const again = await pipeline(world, process, [nth(topic, 0), nth(topic, 1), nth(topic, 2)]);
  expect(await world.run(Promise.all(again))).toEqual(["duplicate", "appended", "appended"]);
});

test("sequences go round, and what comes after the highest one is behind it", async () => {
  const { world, topic, process, storeFaults } = await opened();
  const highest = 2 ** 31 - 1;
  storeFaults.push({ kind: "root" });
  expect(await world.run(process.append([nth(topic, highest)]).then(resultOf))).toBe(STORAGE_ERROR);
  expect(await world.run(process.append([nth(topic, 0)]).then(resultOf))).toBe(HELD_BACK);
  const again = await pipeline(world, process, [nth(topic, highest), nth(topic, 0)]);
  expect(await world.run(Promise.all(again))).toEqual(["appended", "appended"]);
});

test("a client that gives the failed batch up is held back for two minutes and no longer", async () => {
  const { world, topic, process, storeFaults } = await opened();
  storeFaults.push({ kind: "root" });
  expect(await world.run(process.append([nth(topic, 0)]).then(resultOf))).toBe(STORAGE_ERROR);
  await world.clock.advance(119_000);
  expect(await world.run(process.append([nth(topic, 1)]).then(resultOf))).toBe(HELD_BACK);
  await world.clock.advance(1_001);
  expect(await world.run(process.append([nth(topic, 1)]).then(resultOf))).toBe("appended");
});

test("only so many failed batches are remembered, the newest ones", async () => {
  const { world, topic, process, storeFaults } = await opened({ sequenceGapsMax: 3 });
  const producerIds = [11, 12, 13, 14, 15];
  for (const producerId of producerIds) {
    storeFaults.push({ kind: "root" });
    await world.run(process.append([nth(topic, 0, { producerId })]));
  }
  const answers = producerIds.map((producerId) => process.append([nth(topic, 1, { producerId })]).then(resultOf));
  expect(await world.run(Promise.all(answers))).toEqual(["appended", "appended", HELD_BACK, HELD_BACK, HELD_BACK]);
});

test("requests that end together are cleaned up together", async () => {
  const { world, topic, process, storeFaults } = await opened({ uploadsInFlightMax: 1 });
  storeFaults.push({ kind: "slow", delayMs: 50 });
  const [busy] = await pipeline(world, process, [appendOf(topic, 0, "busy")]);
  // Whoever goes through what waits looks at the size of what stays.
  const stays = appendOf(topic, 0, "stays");
  let looks = 0;
  const watched = {
    ...stays,
    get bytes() {
      looks++;
      return stays.bytes;
    },
  };
  const survivor = process.append([watched]).then(resultOf);
  const requests = Array.from({ length: 2_000 }, () => {
    const controller = new AbortController();
    const { signal } = controller;
    return { controller, answer: process.append([appendOf(topic, 0, "goes")], { signal }).then(resultOf) };
  });
  looks = 0;
  for (const { controller } of requests) controller.abort();
  await world.clock.endOfTurn();
  await world.clock.endOfTurn();
  expect(looks).toBeGreaterThan(0);
  expect(looks).toBeLessThan(10);
  expect(new Set(await Promise.all(requests.map(({ answer }) => answer)))).toEqual(new Set([TIMED_OUT]));
  expect(await world.run(Promise.all([busy, survivor]))).toEqual(["appended", "appended"]);
});
