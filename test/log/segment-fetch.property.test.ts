import fc from "fast-check";
import { expect, test } from "vitest";
import { wholeEntry } from "#lib/log/entry-index.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import type { PartitionState } from "#lib/log/log-state.ts";
import { entryOfLost, lostBatches } from "#lib/log/lost-batches.ts";
import { isLost, segmentKey } from "#lib/log/segments.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { defined } from "#lib/util/assert.ts";
import { joined, servedBatch } from "./fetch-fixtures.ts";
import { FetchWorld, topicOf } from "./fetch-harness.ts";
import { compact, keptOf, stateOf } from "./segment-fixtures.ts";

// Random histories of one partition: appends, segments made of entries, of segments and of both, segments with holes, losses,
// log starts. Beside the partition stands a plain list of the batches that a reader must see.

const INDEX_INTERVAL_BYTES = 150;
const LONGEST_BATCH_BYTES = 900;
/** By so much an answer may stay below its limit: where in a segment it begins is known to an index interval only. */
const SLACK_BYTES = INDEX_INTERVAL_BYTES + 2 * LONGEST_BATCH_BYTES;

const anyTime = fc.integer({ min: 0, max: 40 });
const anyBatch = fc.record({
  times: fc.array(anyTime, { minLength: 1, maxLength: 3 }),
  valueBytes: fc.constantFrom(0, 60, 250),
  isAppendTime: fc.boolean(),
});
const anyStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      inline: fc.boolean(),
      batches: fc.array(anyBatch, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("compact" as const), segments: fc.nat(2), entries: fc.nat(6) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("merge" as const),
      first: fc.nat(3),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("clean" as const),
      count: fc.integer({ min: 1, max: 3 }),
      mask: fc.nat(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("start" as const), advance: fc.nat(6) }) },
);
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

class History {
  readonly world = new FetchWorld();
  readonly topic = this.world.addTopic(topicOf(1));
  readonly writer = this.world.process();
  /** What a reader must see, from the first batch that reaches up to the log start. */
  batches: Uint8Array[] = [];

  get state(): PartitionState {
    return stateOf(this.writer, this.topic);
  }

  async take(step: Step): Promise<void> {
    await this.world.run(this.#take(step));
    const { state } = this;
    for (const segment of state.segments) {
      if (isLost(segment)) this.#loseRange(entryOfLost(segment));
    }
    for (const entry of state.entries) {
      if (entry.place.kind === "lost") this.#loseRange(entry);
    }
  }

  async #take(step: Step): Promise<void> {
    const { state } = this;
    switch (step.kind) {
      case "append":
        return await this.append(step);
      case "compact":
        return await this.#compact({
          segmentCount: Math.min(step.segments, state.segments.length),
          entryCount: Math.min(step.entries, state.entries.length),
        });
      case "merge":
        return await this.#compact({ firstSegment: step.first, segmentCount: step.count, entryCount: 0 });
      case "clean":
        return await this.#compact({
          firstSegment: 0,
          segmentCount: Math.min(step.count, state.segments.length),
          entryCount: 0,
          keeps: (offset) => ((step.mask >> (offset % 17)) & 1) === 1,
        });
      case "lose":
        return await this.#lose(step.which);
      case "start":
        return await this.#propose({
          kind: "advance-log-start",
          ...this.#partition(),
          logStartOffset: Math.min(state.logStartOffset + step.advance, state.logEndOffset),
        });
    }
  }

  async append({ inline, batches }: Step & { kind: "append" }): Promise<void> {
    const stored = batches.map(({ times, valueBytes, isAppendTime }) => {
      const records = times.map((timestampMs) => ({ timestampMs, key: null, value: Buffer.alloc(valueBytes) }));
      return buildBatch(records, {
        partitionLeaderEpoch: 0,
        ...(isAppendTime ? { logAppendTimeMs: Math.max(...times) } : {}),
      });
    });
    let offset = this.batches.length === 0 ? 0 : endOf(this.batches);
    for (const batch of stored) {
      this.batches.push(servedBatch(batch, offset));
      offset = endOf(this.batches);
    }
    await this.writer.append([{ topic: this.topic, partitionIndex: 0, batches: stored }], { inline });
  }

  async #compact(options: Parameters<typeof compact>[2]): Promise<void> {
    const { batches } = this;
    const segment = await compact(this.writer, this.topic, {
      ...options,
      batches,
      indexIntervalBytes: INDEX_INTERVAL_BYTES,
    });
    if (segment === undefined || options?.keeps === undefined) return;
    const [before, within, after] = parted(batches, segment);
    this.batches = [...before, ...keptOf(within, options.keeps, segment.nextOffset), ...after];
  }

  async #lose(which: number): Promise<void> {
    const { segments, entries } = this.state;
    const inSegments = segments.filter((segment) => !isLost(segment)).map((segment) => segmentKey(segment, "log"));
    const inEntries = entries.flatMap(({ place }) => (place.kind === "object" ? [place.key] : []));
    const key = [...inSegments, ...inEntries][which];
    if (key !== undefined) await this.#propose({ kind: "declare-lost", ...this.#partition(), key });
  }

  #loseRange(lost: ReturnType<typeof entryOfLost>): void {
    const [before, , after] = parted(this.batches, lost);
    const empty = servedBatch(lostBatches(wholeEntry(lost)), lost.baseOffset);
    this.batches = [...before, empty, ...after];
  }

  #partition() {
    return { topicId: this.topic.topicId, partitionIndex: 0 };
  }

  async #propose(command: LogCommand): Promise<void> {
    expect(await this.writer.propose(this.topic, 0, command)).toEqual({ kind: "done" });
  }
}

function endOf(batches: readonly Uint8Array[]): number {
  return lastOffsetOf(readBatchHeader(defined(batches.at(-1)))) + 1;
}

function parted(batches: readonly Uint8Array[], range: { readonly baseOffset: number; readonly nextOffset: number }) {
  const offset = (batch: Uint8Array) => readBatchHeader(batch).baseOffset;
  return [
    batches.filter((batch) => offset(batch) < range.baseOffset),
    batches.filter((batch) => offset(batch) >= range.baseOffset && offset(batch) < range.nextOffset),
    batches.filter((batch) => offset(batch) >= range.nextOffset),
  ] as const;
}

async function historyOf(steps: readonly Step[]): Promise<History> {
  const history = new History();
  await history.world.run(
    history.append({ kind: "append", inline: false, batches: [{ times: [7], valueBytes: 0, isAppendTime: false }] }),
  );
  for (const step of steps) await history.take(step);
  return history;
}

const anyHistory = fc.array(anyStep, { minLength: 3, maxLength: 14 });

test("a fetch from any offset answers the batches from there on, as many as fit, wherever they are", async () => {
  const property = fc.asyncProperty(
    anyHistory,
    fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1, maxLength: 5 }),
    async (steps, limits) => {
      const { world, topic, state, batches } = await historyOf(steps);
      const reader = world.process({ tailCacheBytes: 0 });
      const { logStartOffset, logEndOffset } = state;
      for (let fetchOffset = logStartOffset; fetchOffset <= logEndOffset; fetchOffset++) {
        const bytesMax = defined(limits[fetchOffset % limits.length]);
        const expected = batches.filter((batch) => lastOffsetOf(readBatchHeader(batch)) >= fetchOffset);
        const answer = defined(
          (await world.run(reader.fetch([{ topic, partitionIndex: 0, fetchOffset, bytesMax }])))[0],
        );
        expect(answer).toMatchObject({ error: ErrorCode.NONE, highWatermark: logEndOffset, logStartOffset });
        const bytes = joined(answer.records);
        expect(answer.recordsByteLength).toBe(bytes.byteLength);
        const got = splitBatches(bytes).batches;
        expect(got.length).toBeGreaterThanOrEqual(Math.min(1, expected.length));
        expect(Buffer.compare(bytes, joined(expected.slice(0, got.length)))).toBe(0);
        if (got.length > 1) expect(bytes.byteLength).toBeLessThanOrEqual(bytesMax);
        const next = expected[got.length];
        if (next !== undefined) expect(bytes.byteLength + next.byteLength + SLACK_BYTES).toBeGreaterThan(bytesMax);
      }
    },
  );
  await fc.assert(property, { numRuns: 50 });
}, 30_000);

test("whoever reads on from where an answer ended gets every batch once", async () => {
  const property = fc.asyncProperty(
    anyHistory,
    fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 5 }),
    async (steps, limits) => {
      const { world, topic, state, batches } = await historyOf(steps);
      const reader = world.process({ tailCacheBytes: 0 });
      const read: Uint8Array[] = [];
      for (let count = 0, fetchOffset = state.logStartOffset; fetchOffset < state.logEndOffset; count++) {
        const bytesMax = defined(limits[count % limits.length]);
        const answer = defined(
          (await world.run(reader.fetch([{ topic, partitionIndex: 0, fetchOffset, bytesMax }])))[0],
        );
        const got = splitBatches(joined(answer.records)).batches;
        read.push(...got);
        fetchOffset = endOf(got);
      }
      const expected = batches.filter((batch) => lastOffsetOf(readBatchHeader(batch)) >= state.logStartOffset);
      expect(Buffer.compare(joined(read), joined(expected))).toBe(0);
    },
  );
  await fc.assert(property, { numRuns: 40 });
}, 30_000);

test("offsets by time are those of a plain search through all records that are left", async () => {
  const property = fc.asyncProperty(anyHistory, async (steps) => {
    const { world, topic, state, batches } = await historyOf(steps);
    const reader = world.process({ tailCacheBytes: 0 });
    const records = batches
      .flatMap((batch) => [...readRecords(Buffer.from(batch))])
      .filter(({ offset }) => offset >= state.logStartOffset);
    const answerOf = (found: { readonly offset: number; readonly timestampMs: number } | undefined) =>
      found === undefined ? [-1, -1] : [found.offset, found.timestampMs];
    for (let timestampMs = 0; timestampMs <= 41; timestampMs++) {
      const expected = records.find((record) => record.timestampMs >= timestampMs);
      const { error, offset, timestampMs: found } = await reader.offsetOf(topic, 0, { kind: "at-time", timestampMs });
      expect([error, offset, found]).toEqual([ErrorCode.NONE, ...answerOf(expected)]);
    }
    const max = Math.max(-1, ...records.map(({ timestampMs }) => timestampMs));
    const found = await reader.offsetOf(topic, 0, { kind: "max-timestamp" });
    expect([found.offset, found.timestampMs]).toEqual(answerOf(records.find(({ timestampMs }) => timestampMs === max)));
    expect((await reader.offsetOf(topic, 0, { kind: "earliest" })).offset).toBe(state.logStartOffset);
  });
  await fc.assert(property, { numRuns: 30 });
}, 30_000);
