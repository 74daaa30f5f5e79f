import { expect, test } from "vitest";
import type { JournalFault } from "#lib/adapters/memory/journal-fault.ts";
import { NEVER } from "../../log/fetch-harness.ts";
import { batchOf, CompactorWorld, HOUR_MS, MINUTE_MS, type WorkerProcessOptions } from "./compactor-world.ts";

async function filled(options: ConstructorParameters<typeof CompactorWorld>[0] = {}): Promise<CompactorWorld> {
  const world = new CompactorWorld({ replicationFactor: 2, ...options });
  await world.append([
    [0, [batchOf(100), batchOf(3_000)]],
    [2, [batchOf(50)]],
  ]);
  await world.append([[0, [batchOf(10)]]], { inline: true });
  await world.append([[2, [batchOf(200), batchOf(1)]]]);
  return world;
}

/** Every byte of partitions 0 and 2 is where it was, and their segments' files are whole. */
async function expectUnharmed(world: CompactorWorld, records: readonly Uint8Array[]): Promise<void> {
  for (const [index, partition] of [0, 2].entries()) {
    expect(await world.fetchAll(partition)).toEqual(records[index]);
    await world.logs(partition);
  }
}

const recordsOf = async (world: CompactorWorld) => [await world.fetchAll(0), await world.fetchAll(2)];

test("a damaged copy is passed over for a good one", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const [entry] = (await world.partition(2)).entries;
  if (entry?.place.kind !== "object") throw new Error("the entry lies in a record");
  world.world.storeServices[0].damage(entry.place.key, entry.position + 70);
  const worker = world.worker();
  expect(await worker.run(true)).toBe(2);
  expect(worker.warnings).toEqual([expect.stringMatching(/^copy lost .*"problem":"its bytes are damaged"/)]);
  await expectUnharmed(world, records);
});

test("a partition that cannot be read is left with one warning, tried again later and later, and keeps no other waiting", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const [, second] = (await world.partition(2)).entries.map((entry) => entry.place);
  if (second?.kind !== "object") throw new Error("the entry lies in a record");
  for (const service of world.world.storeServices) service.damage(second.key, 100);
  world.settings = { ...world.settings, segmentMs: MINUTE_MS };
  await world.advance(MINUTE_MS);
  const worker = world.worker();
  expect(await worker.run()).toBe(1);
  expect(worker.warnings.filter((line) => line.includes("compacting a partition ended in an error"))).toEqual([
    expect.stringMatching(/^compacting a partition ended in an error.*"topic":"rivers","partition":2,.*sums to/),
  ]);
  expect((await world.partition(2)).segments).toEqual([]);
  expect(await world.logs(0)).toEqual(records[0]);
  const triesAt: number[] = [];
  for (let minute = 1; minute <= 20; minute++) {
    worker.calls.length = 0;
    await world.advance(MINUTE_MS);
    expect(await worker.run()).toBe(0);
    if (worker.calls.length > 0) triesAt.push(minute);
  }
  expect(triesAt).toEqual([1, 3, 7, 15]);
  for (const service of world.world.storeServices) service.damage(second.key, 100);
  await world.advance(HOUR_MS);
  expect(await worker.run()).toBe(1);
  await expectUnharmed(world, records);
});

test("an object that is gone from every store is damage, and nothing is made without it", async () => {
  const world = await filled();
  const [, second] = (await world.partition(2)).entries.map((entry) => entry.place);
  if (second?.kind !== "object") throw new Error("the entry lies in a record");
  for (const service of world.world.storeServices) service.delete(second.key);
  const worker = world.worker();
  expect(await worker.run(true)).toBe(1);
  expect(worker.warnings.filter((line) => line.includes("compacting a partition ended in an error"))).toHaveLength(1);
  expect((await world.partition(2)).entries).toHaveLength(2);
  expect(await worker.run(true)).toBe(0);
});

test("while stores do not answer nothing is changed, and it is said once", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const worker = world.worker({
    storeFaults: ({ operation }) => (operation === "putIfAbsent" ? { kind: "full" } : undefined),
  });
  expect(await worker.run(true)).toBe(0);
  expect(worker.warnings.filter((line) => line.includes("compacting a partition ended in an error"))).toHaveLength(1);
  await expectUnharmed(world, records);
  expect(await world.worker().run(true)).toBe(2);
  await expectUnharmed(world, records);
});

test("with one of two stores away segments are made with one copy once the ISR says that it is enough", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const storeFaults: WorkerProcessOptions["storeFaults"] = ({ store }) =>
    store === 1 ? { kind: "unavailable" } : undefined;
  expect(await world.worker({ storeFaults }).run(true)).toBe(0);
  await world.world.run(world.process.propose(world.topic, 0, { kind: "alter-isr", expectedIsrEpoch: 0, isr: [0] }));
  expect(await world.worker({ storeFaults }).run(true)).toBe(2);
  expect((await world.partition()).segments[0]?.copies).toEqual([0]);
  await expectUnharmed(world, records);
});

test("a segment that has too few copies by the time of its command is left for another run, without a word", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const alterIsr = (expectedIsrEpoch: number, isr: readonly number[]) =>
    world.process.propose(world.topic, 0, { kind: "alter-isr", expectedIsrEpoch, isr });
  await world.world.run(alterIsr(0, [0]));
  let isAltered = false;
  const worker = world.worker({
    storeFaults: ({ store, operation }) => {
      if (operation !== "putIfAbsent") return undefined;
      if (!isAltered) void alterIsr(1, [0, 1]);
      isAltered = true;
      return { kind: "slow", delayMs: store === 0 ? 50 : HOUR_MS };
    },
  });
  expect(await worker.run(true)).toBe(0);
  expect(worker.warnings.filter((line) => line.includes("refused"))).toEqual([]);
  await expectUnharmed(world, records);
  expect(await world.worker().run(true)).toBe(2);
});

test("a store has a segment only if it has all files of it", async () => {
  const world = await filled();
  await world.world.run(world.process.propose(world.topic, 0, { kind: "alter-isr", expectedIsrEpoch: 0, isr: [0] }));
  const worker = world.worker({
    storeFaults: ({ store, key }) => (store === 1 && key.endsWith(".timeindex") ? { kind: "full" } : undefined),
  });
  expect(await worker.run(true)).toBe(2);
  expect((await world.partition()).segments[0]?.copies).toEqual([0]);
});

test("a slow store gets some time to have a copy, and does not hold up the others for long", async () => {
  const world = await filled();
  await world.world.run(world.process.propose(world.topic, 0, { kind: "alter-isr", expectedIsrEpoch: 0, isr: [0] }));
  let delayMs = 2_000;
  const worker = world.worker({
    storeFaults: ({ store, operation }) =>
      store === 1 && operation === "putIfAbsent" ? { kind: "slow", delayMs } : undefined,
  });
  expect(await worker.run(true)).toBe(2);
  expect((await world.partition()).segments[0]?.copies).toEqual([0, 1]);
  await world.append([[0, [batchOf(5)]]]);
  delayMs = HOUR_MS;
  const beganAtMs = world.world.clock.monotonicMs();
  expect(await worker.run(true)).toBe(2);
  expect((await world.partition()).segments[0]?.copies).toEqual([0]);
  expect(world.world.clock.monotonicMs() - beganAtMs).toBeLessThan(MINUTE_MS);
});

test("of two compactors at once one is refused without a word, and what it wrote is garbage", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const [first, second] = [world.worker(), world.worker()];
  const counts = await world.world.run(
    Promise.all([first, second].map(({ compactor }) => compactor.runOnce({ isForced: true, signal: NEVER }))),
  );
  expect(counts.reduce((sum, each) => sum + each)).toBe(2);
  expect([...first.warnings, ...second.warnings]).toEqual([]);
  expect((await world.partition()).segments).toHaveLength(1);
  await expectUnharmed(world, records);
  expect((await world.unreferenced()).filter((key) => key.startsWith("segments/"))).toHaveLength(2 * 2 * 3);
});

test("files that were given up before their command came are written again above the floor", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const floor = Math.floor(world.world.clock.nowMs() / HOUR_MS) + 3;
  let isRetired = false;
  const worker = world.worker({
    storeFaults: ({ operation }) => {
      if (operation === "putIfAbsent" && !isRetired) {
        isRetired = true;
        void world.process.propose(world.topic, 0, { kind: "retire", floor });
      }
      return operation === "putIfAbsent" ? { kind: "slow", delayMs: 50 } : undefined;
    },
  });
  expect(await worker.run(true)).toBe(2);
  const [segment] = (await world.partition()).segments;
  expect(segment?.directory.startsWith(`segments/${String(floor + 1).padStart(10, "0")}/`)).toBe(true);
  await expectUnharmed(world, records);
});

test("a log start that moves while a segment is made has it planned anew", async () => {
  for (const logStartOffset of [1, 2, 3]) {
    const world = await filled();
    let isMoved = false;
    const worker = world.worker({
      storeFaults: ({ operation }) => {
        if (operation === "putIfAbsent" && !isMoved) {
          isMoved = true;
          const { topicId } = world.topic;
          const command = { kind: "advance-log-start", topicId, partitionIndex: 0, logStartOffset } as const;
          void world.process.propose(world.topic, 0, command);
        }
        return operation === "putIfAbsent" ? { kind: "slow", delayMs: 50 } : undefined;
      },
    });
    await worker.run(true);
    const { segments, entries } = await world.partition();
    expect(entries).toEqual([]);
    // Offset 1 lies in the first entry, 2 begins the second one, and behind 3 nothing is left.
    expect(segments.map(({ baseOffset }) => baseOffset)).toEqual(
      logStartOffset === 1 ? [0] : logStartOffset === 2 ? [2] : [],
    );
    await world.logs();
    expect(worker.warnings).toEqual([]);
  }
});

test("a topic that is dropped while its segments are made leaves nothing but garbage", async () => {
  const world = await filled();
  let isDropped = false;
  const worker = world.worker({
    storeFaults: ({ operation }) => {
      if (operation === "putIfAbsent" && !isDropped) {
        isDropped = true;
        void world.process.propose(world.topic, 0, { kind: "drop", topicId: world.topic.topicId, clusterSeq: 20 });
      }
      return operation === "putIfAbsent" ? { kind: "slow", delayMs: 50 } : undefined;
    },
  });
  expect(await worker.run(true)).toBe(0);
  expect(worker.warnings).toEqual([]);
});

test("an entry that was gathered by another while it was read is planned anew", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  await world.advance(50 * MINUTE_MS);
  let isFirst = true;
  const other = world.worker();
  const worker = world.worker({
    storeFaults: ({ operation }) => {
      if (operation !== "getRange") return undefined;
      if (isFirst) void other.compactor.runOnce({ isForced: false, signal: NEVER });
      isFirst = false;
      return { kind: "slow", delayMs: 3_000 };
    },
  });
  expect(await worker.run(true)).toBe(2);
  await expectUnharmed(world, records);
  expect(worker.warnings).toEqual([]);
});

/** Runs a worker that is killed at its `at`-th call; whether it was. */
async function killedRun(world: CompactorWorld, at: number, fault: JournalFault): Promise<boolean> {
  let calls = 0;
  let isKilled = false;
  const worker = world.worker({
    storeFaults: () => {
      if (isKilled || ++calls === at) {
        isKilled = true;
        worker.stop.abort(new Error("killed"));
        return { kind: "lost-answer" };
      }
      return undefined;
    },
    journalFaults: {
      next: () => {
        if (isKilled || ++calls !== at) return undefined;
        isKilled = true;
        worker.stop.abort(new Error("killed"));
        return fault;
      },
    },
  });
  await worker.run(true).catch(() => undefined);
  await world.advance(MINUTE_MS);
  return isKilled;
}

test.each([true, false])(
  "a run that is killed at any call leaves garbage and nothing else (effect %s)",
  async (hasEffect) => {
    let at = 1;
    for (; ; at++) {
      const world = await filled();
      const records = await recordsOf(world);
      const isKilled = await killedRun(world, at, { kind: "death", hasEffect });
      await expectUnharmed(world, records);
      const next = world.worker();
      await next.run(true);
      expect(await next.run(true)).toBe(0);
      for (const partition of [0, 2]) {
        const { entries, segments } = await world.partition(partition);
        expect({ entries: entries.length, segments: segments.length }).toEqual({ entries: 0, segments: 1 });
      }
      await expectUnharmed(world, records);
      expect(next.warnings).toEqual([]);
      if (!isKilled) break;
    }
    expect(at).toBeGreaterThan(15);
  },
);

test("an answer that was lost is no reason to do it again", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  const seen = new Set<string>();
  const worker = world.worker({
    storeFaults: ({ operation, index }) =>
      operation === "putIfAbsent" && index % 2 === 0 ? { kind: "lost-answer" } : undefined,
    journalFaults: {
      next: ({ method, journal, seq }) => {
        if (method !== "append" || seen.has(`${journal} ${seq}`)) return undefined;
        seen.add(`${journal} ${seq}`);
        return { kind: "lost-answer" };
      },
    },
  });
  await worker.run(true);
  expect(await worker.run(true)).toBe(0);
  for (const partition of [0, 2]) expect((await world.partition(partition)).segments).toHaveLength(1);
  await expectUnharmed(world, records);
});

test("a gathered object holds what its command says, and a part that was taken meanwhile is not", async () => {
  const world = await filled();
  const records = await recordsOf(world);
  await world.advance(2 * HOUR_MS);
  const [first, second] = [world.worker(), world.worker()];
  const counts = await world.world.run(
    Promise.all([first, second].map(({ compactor }) => compactor.runOnce({ isForced: false, signal: NEVER }))),
  );
  expect(counts.reduce((sum, each) => sum + each)).toBe(1);
  await expectUnharmed(world, records);
  expect([...first.warnings, ...second.warnings]).toEqual([]);
});
