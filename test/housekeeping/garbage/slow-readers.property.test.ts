import { expect, test } from "vitest";
import { MemoryObjectStore, type StoreFault } from "#lib/adapters/memory/memory-object-store.ts";
import { GarbageWorker } from "#lib/housekeeping/garbage/garbage-worker.ts";
import type { LogSegment, PartitionState } from "#lib/log/log-state.ts";
import { entryInput, segmentInput, segmentKey } from "#lib/log/segments.ts";
import { uploadEpoch } from "#lib/log/upload-epoch.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { lastOffsetOf, readBatchHeader } from "#lib/record/record-batch.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { segmentDirectory } from "#lib/storage/object-keys.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import { joined, servedBatch, storedBatch } from "../../log/fetch-fixtures.ts";
import { type FetchProcess, FetchWorld, NEVER, topicOf } from "../../log/fetch-harness.ts";
import { replaceInputs, stateOf } from "../../log/segment-fixtures.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

// Readers whose stores are slow read by plans that are out of date by then: what they planned to read has been compacted,
// merged or passed by the log start, and its objects are deleted at once.

const ROUNDS = 25;
const RECORDS_PER_BATCH = 2;

test.each(Array.from({ length: 12 }, (_, seed) => seed))(
  "no reader misses a retained record, however late it comes, seed %i",
  async (seed) => {
    const race = new DeletionRace(seed);
    await race.world.run(race.appendOne());
    await race.world.run(Promise.all([race.maintain(), race.read(), race.read(), race.read()]));
    expect(race.answers).toBeGreaterThan(3 * ROUNDS * 0.5);
    expect(race.deleted).toBeGreaterThan(10);
    expect(race.missed).toBeGreaterThan(0);
  },
);

class DeletionRace {
  readonly world = new FetchWorld();
  answers = 0;
  deleted = 0;
  /** Objects that a plan named and a store had no more. */
  missed = 0;
  readonly #random: SeededRandom;
  readonly #topic = this.world.addTopic(topicOf(1));
  readonly #writer = this.world.process();
  readonly #path = this.#writer.appendPath({ inlineBytesMax: 0 });
  readonly #batches: Uint8Array[] = [];
  #attempts = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed + 1);
  }

  async appendOne(): Promise<void> {
    const batch = storedBatch({ recordCount: RECORDS_PER_BATCH, valueBytes: 50 + this.#batches.length });
    const append = { topic: this.#topic, partitionIndex: 0, header: readBatchHeader(batch), bytes: batch };
    const [answer] = await this.#path.append([append], { signal: NEVER, requireMinInsync: false });
    // Retired: sent again.
    if (answer?.kind !== "appended") return this.appendOne();
    this.#batches.push(servedBatch(batch, answer.baseOffset));
  }

  async maintain(): Promise<void> {
    const { clock, storeServices, topics } = this.world;
    const collector = new GarbageWorker({
      journals: this.#writer.journals,
      cluster: { refresh: async () => {}, topics: () => [...topics.values()], find: (topicId) => topics.get(topicId) },
      stores: new StoreSet(
        new Map(storeServices.map((service, id) => [id, new MemoryObjectStore(service, { clock })])),
      ),
      clock,
      logger: SILENT_LOGGER,
    });
    for (let round = 0; round < ROUNDS; round++) {
      await clock.sleep(this.#random.below(1_500));
      for (let count = this.#random.below(4); count > 0; count--) await this.appendOne();
      const choice = this.#random.below(5);
      if (choice === 0) await this.#advance();
      else await this.#compact(choice === 1);
      this.deleted += await collector.runOnce({ isForced: true, signal: NEVER });
    }
  }

  async read(): Promise<void> {
    const slow = (): StoreFault => ({ kind: "slow", delayMs: this.#random.below(1_000) });
    const reader = this.world.process({ storeFaults: slow, tailCacheBytes: 0 });
    let offset = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await this.world.clock.sleep(this.#random.below(1_000));
      if (this.#random.below(3) === 0) offset = this.#random.below(RECORDS_PER_BATCH * this.#batches.length);
      offset = await this.#readAt(reader, offset);
    }
    this.missed += reader.lostCopies.length;
  }

  /** Answers where to read on. */
  async #readAt(reader: FetchProcess, fetchOffset: number): Promise<number> {
    const request = { topic: this.#topic, partitionIndex: 0, fetchOffset, bytesMax: 10_000 };
    const { error, records, logStartOffset } = defined((await reader.fetch([request]))[0]);
    if (error === ErrorCode.OFFSET_OUT_OF_RANGE) {
      expect(fetchOffset).toBeLessThan(this.#state.logStartOffset);
      return Math.max(this.#state.logStartOffset, logStartOffset);
    }
    expect(error).toBe(ErrorCode.NONE);
    const bytes = joined(records);
    if (bytes.byteLength === 0) return fetchOffset;
    this.answers++;
    const first = Math.floor(fetchOffset / RECORDS_PER_BATCH);
    const expected = joined(this.#batches.slice(first));
    expect(Buffer.compare(bytes, expected.subarray(0, bytes.byteLength))).toBe(0);
    let end = first;
    for (let length = 0; length < bytes.byteLength; end++) length += defined(this.#batches[end]).byteLength;
    return RECORDS_PER_BATCH * end;
  }

  get #state(): PartitionState {
    return stateOf(this.#writer, this.#topic);
  }

  /** Past what half of the offsets are in, so that there is something left to read. */
  async #advance(): Promise<void> {
    const { logStartOffset, logEndOffset } = this.#state;
    const target = logStartOffset + this.#random.below(Math.ceil((logEndOffset - logStartOffset) / 2));
    const { topicId } = this.#topic;
    const command = { kind: "advance-log-start", topicId, partitionIndex: 0, logStartOffset: target } as const;
    await this.#writer.propose(this.#topic, 0, command);
  }

  /** Makes one segment of all entries, or of everything. */
  async #compact(isMerge: boolean): Promise<void> {
    const { segments, entries } = this.#state;
    const inputs = [...(isMerge ? segments.map(segmentInput) : []), ...entries.map(entryInput)];
    const [first, last] = [inputs[0], inputs.at(-1)];
    if (first === undefined || last === undefined) return;
    const segment = await this.#upload(first.baseOffset, last.nextOffset);
    await replaceInputs(this.#writer, this.#topic, { inputs, segments: [segment] });
  }

  async #upload(baseOffset: number, nextOffset: number): Promise<LogSegment> {
    const { clock, storeServices } = this.world;
    const builder = new SegmentBuilder({ baseOffset, indexIntervalBytes: 100 });
    for (const batch of this.#batches) {
      const header = readBatchHeader(batch);
      if (header.baseOffset >= baseOffset && lastOffsetOf(header) < nextOffset) builder.add([batch]);
    }
    const { log, index, timeIndex, logByteLength, maxTimestampMs } = builder.finish();
    const segment: LogSegment = {
      ...{ baseOffset, nextOffset, byteLength: logByteLength, maxTimestampMs },
      directory: segmentDirectory({
        uploadEpoch: uploadEpoch(clock, this.#writer.journals),
        attemptId: String(++this.#attempts).padStart(32, "0"),
        ...{ topic: "orders", partitionIndex: 0 },
      }),
      ...{ indexByteLength: index.byteLength, timeIndexByteLength: timeIndex.byteLength, txnIndexByteLength: 0 },
      ...{ appendedAtMs: clock.nowMs(), isCleaned: false, copies: [0, 1] },
    };
    for (const service of storeServices) {
      service.put(segmentKey(segment, "log"), joined(log));
      service.put(segmentKey(segment, "index"), index);
      service.put(segmentKey(segment, "timeindex"), timeIndex);
    }
    return segment;
  }
}
