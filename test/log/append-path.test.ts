import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import type { StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { appendOf, LogWorld, textsOf, topicOf } from "./append-harness.ts";

const OBJECTS_ONLY = { inlineBytesMax: 0 };

function refused(error: ErrorCode) {
  return expect.objectContaining({ kind: "refused", error });
}

test("small flushes travel in the journal record, larger ones as one object", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({ settings: { inlineBytesMax: 150 } });
  const [small] = await world.run(process.append([appendOf(topic, 0, "a")]));
  expect(small).toEqual({ kind: "appended", baseOffset: 0, logStartOffset: 0 });
  expect(world.storeServices[0]?.objects.size).toBe(0);
  const large = await world.run(
    process.append([appendOf(topic, 0, "b"), appendOf(topic, 1, "c"), appendOf(topic, 0, "d")]),
  );
  expect(large.map((one) => one.kind === "appended" && one.baseOffset)).toEqual([1, 0, 2]);
  expect(world.storeServices[0]?.objects.size).toBe(1);
  expect(textsOf(world, process, topic, 0)).toEqual(["a", "b", "d"]);
  expect(textsOf(world, process, topic, 1)).toEqual(["c"]);
  expect(process.path.pendingBytes).toBe(0);
});

test("nothing to append is answered at once", async () => {
  expect(await new LogWorld().process().append([])).toEqual([]);
});

test("requests that arrive in one turn share a flush, and its journals one object", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({ settings: OBJECTS_ONLY });
  await world.run(process.append([appendOf(topic, 0, "open"), appendOf(topic, 1, "open")]));
  const before = world.storeServices[0]?.objects.size ?? 0;
  await world.run(Promise.all([0, 1, 2, 3].map((index) => process.append([appendOf(topic, index, "x")]))));
  expect(world.storeServices[0]?.objects.size).toBe(before + 1);
});

test("the order of a partition is that of arrival, though uploads finish the other way round", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const delays = [400, 300, 200, 100];
  const process = world.process({
    settings: { ...OBJECTS_ONLY, uploadsInFlightMax: 4 },
    storeFaults: ({ index }): StoreFault => ({ kind: "slow", delayMs: delays[index] ?? 1 }),
  });
  const answered: string[] = [];
  const sent: Promise<unknown>[] = [];
  await world.run(process.append([]));
  for (const text of ["a", "b", "c", "d"]) {
    sent.push(process.append([appendOf(topic, 0, text)]).then(() => answered.push(text)));
    await world.clock.endOfTurn();
    await world.clock.endOfTurn();
  }
  await world.run(Promise.all(sent));
  expect(textsOf(world, process, topic, 0)).toEqual(["a", "b", "c", "d"]);
  expect(answered).toEqual(["a", "b", "c", "d"]);
  expect(world.storeServices[0]?.objects.size).toBe(4);
});

test("a slow store holds up its own lane and no other", async () => {
  const world = new LogWorld(2);
  const slow = world.addTopic(topicOf(1, { replicationFactor: 2, minInsyncReplicas: 2 }));
  const quick = world.addTopic(topicOf(2));
  let isSlow = false;
  const process = world.process({
    settings: OBJECTS_ONLY,
    storeFaults: () => (isSlow ? { kind: "slow", delayMs: 500 } : undefined),
  });
  await world.run(process.append([appendOf(slow, 0, "open"), appendOf(quick, 0, "open")]));
  isSlow = true;
  const answered: string[] = [];
  const late = process.append([appendOf(slow, 0, "a")]).then(() => answered.push("slow"));
  for (let turn = 0; turn < 5; turn++) await world.clock.endOfTurn();
  isSlow = false;
  const soon = process.append([appendOf(quick, 0, "b")]).then(() => answered.push("quick"));
  const behind = process.append([appendOf(slow, 0, "c")]).then(() => answered.push("behind"));
  await world.run(Promise.all([late, soon, behind]));
  expect(answered).toEqual(["quick", "slow", "behind"]);
  expect(textsOf(world, process, slow, 0)).toEqual(["open", "a", "c"]);
});

test("no answer comes before the commit", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const faults: (JournalFault | undefined)[] = [];
  const process = world.process({
    settings: OBJECTS_ONLY,
    storeFaults: (): StoreFault => ({ kind: "slow", delayMs: 50 }),
    journalFaults: { next: (call) => (call.method === "append" ? faults.shift() : undefined) },
  });
  await world.run(process.append([appendOf(topic, 0, "open")]));
  const recordsBefore = world.journalService.recordsOf(process.journals.opened(0)?.id ?? expect.fail()).length;
  faults.push({ kind: "slow", ms: 200 });
  let isAnswered = false;
  const answer = process.append([appendOf(topic, 0, "a")]).then(() => {
    isAnswered = true;
  });
  await world.clock.advance(49);
  expect(world.journalService.recordsOf(process.journals.opened(0)?.id ?? expect.fail())).toHaveLength(recordsBefore);
  expect(isAnswered).toBe(false);
  // Uploaded and on its way to the journal, whose answer takes 200 ms.
  await world.clock.advance(200);
  expect(isAnswered).toBe(false);
  await world.run(answer);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", "a"]);
});

test("what is committed is among the recent bytes before the fold can name it", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({ settings: OBJECTS_ONLY });
  let seen = 0;
  process.journals.onFold((_journal, command) => {
    if (command.kind !== "append" || command.source.kind !== "object") return;
    const parts = process.recent.objects.get(command.source.key) ?? expect.fail("the object is not known yet");
    for (const part of command.parts) {
      const kept = parts.find((one) => one.position === part.position) ?? expect.fail("the part is missing");
      expect(kept.byteLength).toBe(part.batches.reduce((sum, batch) => sum + batch.byteLength, 0));
      expect(Buffer.concat(kept.chunks)).toHaveLength(kept.byteLength);
      seen++;
    }
  });
  await world.run(process.append([appendOf(topic, 0, "a"), appendOf(topic, 2, "b"), appendOf(topic, 1, "c")]));
  expect(seen).toBe(3);
});

test("lost answers of store and journal are no failures", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  let lost = true;
  const process = world.process({
    settings: OBJECTS_ONLY,
    storeFaults: () => {
      lost = !lost;
      return lost ? undefined : { kind: "lost-answer" };
    },
    journalFaults: {
      next: (call) => {
        lost = !lost;
        return lost && call.method === "append" ? { kind: "lost-answer" } : undefined;
      },
    },
  });
  for (const text of ["a", "b", "c", "d"]) {
    expect(await world.run(process.append([appendOf(topic, 0, text)]))).toMatchObject([{ kind: "appended" }]);
  }
  expect(textsOf(world, process, topic, 0)).toEqual(["a", "b", "c", "d"]);
});

test("a full store refuses with a text, and appends go on when there is room", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  let isFull = true;
  const process = world.process({
    settings: OBJECTS_ONLY,
    storeFaults: () => (isFull ? { kind: "full" } : undefined),
  });
  const [answer] = await world.run(process.append([appendOf(topic, 0, "a")]));
  expect(answer).toEqual(refused(ErrorCode.KAFKA_STORAGE_ERROR));
  expect(answer?.kind === "refused" && answer.message).toMatch(/no room is left/);
  isFull = false;
  expect(await world.run(process.append([appendOf(topic, 0, "b")]))).toMatchObject([
    { kind: "appended", baseOffset: 0 },
  ]);
  expect(textsOf(world, process, topic, 0)).toEqual(["b"]);
  expect(process.path.pendingBytes).toBe(0);
});

test("a failed upload lets the flushes behind it pass", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  let puts = 0;
  const process = world.process({
    settings: OBJECTS_ONLY,
    storeFaults: () => (puts++ === 1 ? { kind: "root" } : { kind: "slow", delayMs: 10 }),
  });
  const answers: Promise<unknown>[] = [];
  for (const text of ["a", "b", "c"]) {
    answers.push(process.append([appendOf(topic, 0, text)]).then(([one]) => one?.kind));
    for (let turn = 0; turn < 5; turn++) await world.clock.endOfTurn();
  }
  expect(await world.run(Promise.all(answers))).toEqual(["appended", "refused", "appended"]);
  expect(textsOf(world, process, topic, 0)).toEqual(["a", "c"]);
});

test("a store that hangs ends in a time-out, and so does a journal that does not answer", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  let hangs = true;
  let fails = false;
  const process = world.process({
    settings: { ...OBJECTS_ONLY, flushTimeoutMs: 5_000 },
    storeFaults: () => (hangs ? { kind: "hang" } : undefined),
    journalFaults: { next: (call) => (fails && call.method === "append" ? { kind: "failure" } : undefined) },
  });
  expect(await world.run(process.append([appendOf(topic, 0, "a")]))).toEqual([refused(ErrorCode.REQUEST_TIMED_OUT)]);
  hangs = false;
  fails = true;
  expect(await world.run(process.append([appendOf(topic, 0, "b")]))).toEqual([refused(ErrorCode.REQUEST_TIMED_OUT)]);
  fails = false;
  expect(await world.run(process.append([appendOf(topic, 0, "c")]))).toMatchObject([{ kind: "appended" }]);
  expect(textsOf(world, process, topic, 0)).toContain("c");
});

test("linger spaces flushes and does not delay the first", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({ settings: { ...OBJECTS_ONLY, lingerMs: 100 } });
  await world.run(process.append([appendOf(topic, 0, "open")]));
  await world.clock.advance(100);
  const begin = world.clock.monotonicMs();
  await world.run(process.append([appendOf(topic, 0, "a")]));
  expect(world.clock.monotonicMs()).toBe(begin);
  const rest = [process.append([appendOf(topic, 0, "b")])];
  await world.clock.advance(60);
  rest.push(process.append([appendOf(topic, 0, "c")]));
  await world.run(Promise.all(rest));
  expect(world.clock.monotonicMs()).toBe(begin + 100);
  expect(process.partition(topic, 0).entries).toHaveLength(3);
});

test("a full buffer does not wait for linger, and no flush is larger than its limit", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({ settings: { ...OBJECTS_ONLY, lingerMs: 1_000, flushBatchesMax: 3 } });
  await world.run(process.append([appendOf(topic, 0, "open")]));
  const begin = world.clock.monotonicMs();
  const texts = ["a", "b", "c", "d", "e", "f", "g"];
  const answers = Promise.all(texts.map((text) => process.append([appendOf(topic, 0, text)])));
  await world.clock.advance(1);
  expect(process.partition(topic, 0).logEndOffset).toBe(7);
  await world.run(answers);
  expect(world.clock.monotonicMs()).toBe(begin + 1_000);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", ...texts]);
});

test("with no linger what waits goes when an upload ends: batches grow under load", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({
    settings: { ...OBJECTS_ONLY, uploadsInFlightMax: 1 },
    storeFaults: () => ({ kind: "slow", delayMs: 10 }),
  });
  await world.run(process.append([appendOf(topic, 0, "open")]));
  const answers: Promise<unknown>[] = [];
  for (let count = 0; count < 20; count++) {
    answers.push(process.append([appendOf(topic, 0, `${count}`)]));
    await world.clock.advance(1);
  }
  await world.run(Promise.all(answers));
  expect(world.storeServices[0]?.objects.size).toBeLessThanOrEqual(4);
  expect(textsOf(world, process, topic, 0)).toHaveLength(21);
});

test("pending bytes are counted until the answer, and wake who waits for them", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const append = appendOf(topic, 0, "a");
  const size = append.bytes.byteLength;
  const process = world.process({
    settings: { ...OBJECTS_ONLY, pendingBytesMax: 2 * size },
    storeFaults: () => ({ kind: "slow", delayMs: 10 }),
  });
  const first = process.append([append]);
  expect(process.path.pendingBytes).toBe(size);
  await process.path.whenBelowLimit();
  const second = process.append([append]);
  let isBelow = false;
  const below = process.path.whenBelowLimit().then(() => {
    isBelow = true;
  });
  await world.clock.advance(5);
  expect(isBelow).toBe(false);
  await world.run(below);
  expect(process.path.pendingBytes).toBeLessThan(2 * size);
  await world.run(process.path.drain());
  expect(process.path.pendingBytes).toBe(0);
  await Promise.all([first, second]);
});

test("an aborted request is dropped while it waits and not once it is in flight", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({
    settings: { ...OBJECTS_ONLY, uploadsInFlightMax: 1 },
    storeFaults: () => ({ kind: "slow", delayMs: 10 }),
  });
  const gone = new AbortController();
  await world.run(process.append([appendOf(topic, 0, "open")]));
  const flying = process.append([appendOf(topic, 0, "flying")], { signal: gone.signal });
  await world.clock.advance(5);
  const waiting = process.append([appendOf(topic, 0, "waiting")], { signal: gone.signal });
  const other = process.append([appendOf(topic, 0, "other")]);
  gone.abort();
  expect(await waiting).toEqual([refused(ErrorCode.REQUEST_TIMED_OUT)]);
  expect(await process.append([appendOf(topic, 0, "late")], { signal: gone.signal })).toEqual([
    refused(ErrorCode.REQUEST_TIMED_OUT),
  ]);
  expect(await world.run(flying)).toMatchObject([{ kind: "appended" }]);
  expect(await world.run(other)).toMatchObject([{ kind: "appended" }]);
  expect(textsOf(world, process, topic, 0)).toEqual(["open", "flying", "other"]);
  expect(process.path.pendingBytes).toBe(0);
});

test("a stop answers what waits", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const process = world.process({
    settings: { ...OBJECTS_ONLY, uploadsInFlightMax: 1, flushBatchesMax: 1 },
    storeFaults: () => ({ kind: "hang" }),
  });
  const answers = Promise.all(["a", "b", "c"].map((text) => process.append([appendOf(topic, 0, text)])));
  await world.clock.advance(5);
  process.stop.abort();
  const timedOut = [refused(ErrorCode.REQUEST_TIMED_OUT)];
  expect(await world.run(answers)).toEqual([timedOut, timedOut, timedOut]);
  await process.path.drain();
});

test("duplicates are answered with their first offset, by a restarted process too", async () => {
  const world = new LogWorld();
  const topic = world.addTopic(topicOf(1));
  const producer = { producerId: 9, producerEpoch: 0, baseSequence: 0 };
  const append = appendOf(topic, 0, "a", producer);
  const first = world.process();
  await world.run(first.append([appendOf(topic, 0, "z")]));
  await world.run(first.append([append]));
  const second = world.process();
  const again = await world.run(second.append([append, appendOf(topic, 0, "c", { ...producer, baseSequence: 2 })]));
  expect(again).toEqual([
    { kind: "duplicate", baseOffset: 1, logStartOffset: 0 },
    { kind: "refused", error: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER },
  ]);
});
