import { ErrorCode } from "#lib/protocol/error-code.ts";
import { assert, unreachable } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import type { Offset } from "#lib/util/branded.ts";
import type { EntryRange } from "./entry-index.ts";
import type { EntryReader } from "./entry-reader.ts";
import type { ByteBudget } from "./fetch-budget.ts";
import { lastStableOffset, type PartitionAccess, type PartitionSlot } from "./fetch-partitions.ts";
import type { FoundOffset, OffsetLister, OffsetSpec, PartitionOffsetQuery } from "./log-api.ts";
import type { LogSegment, PartitionState } from "./log-state.ts";
import type { TimedRecord } from "./record-times.ts";
import type { SegmentPlace, SegmentRange } from "./segment-batches.ts";
import { type SegmentBatches, type SegmentReader, windowOf } from "./segment-reader.ts";
import { findByTime, findMaxTimestamp, type TimeReads } from "./time-search.ts";

export interface OffsetSearchDeps {
  readonly access: PartitionAccess;
  readonly entries: EntryReader;
  readonly segments: SegmentReader;
  readonly budget: ByteBudget;
}

interface OffsetSlot extends PartitionSlot {
  readonly spec: OffsetSpec;
}

const NONE_FOUND: FoundOffset = { error: ErrorCode.NONE, offset: -1, timestampMs: -1 };

/** Answers ListOffsets. What may be a "no", and the log end, stand behind a strong read (J8). */
export class OffsetSearch implements OffsetLister {
  readonly #deps: OffsetSearchDeps;

  constructor(deps: OffsetSearchDeps) {
    this.#deps = deps;
  }

  /** In the order of `queries`. Rejects only if aborted. */
  async listOffsets(queries: readonly PartitionOffsetQuery[], signal: AbortSignal): Promise<readonly FoundOffset[]> {
    signal.throwIfAborted();
    const { access } = this.#deps;
    const slots: readonly OffsetSlot[] = queries.map((query) => ({
      ...access.slot(query.topic, query.partitionIndex),
      spec: query.spec,
    }));
    await access.open(slots, signal);
    const early = slots.filter((slot) => needsStrongRead(slot.spec) || access.partition(slot) === undefined);
    await access.confirm(early, { signal, freshTopics: false });
    // A partition that is not open has never been written to, or is gone since we looked at the topics.
    const unopened = slots.filter((slot) => slot.error === ErrorCode.NONE && access.partition(slot) === undefined);
    await access.confirm(unopened, { signal, freshTopics: true });
    const found = await this.#findAll(slots, signal);
    const doubtful = slots.filter((slot, index) => !slot.isConfirmed && isNone(found[index]));
    if (doubtful.length === 0) return found;
    await access.confirm(doubtful, { signal, freshTopics: false });
    const again = new Set(doubtful);
    return await Promise.all(
      slots.map((slot, index) => (again.has(slot) ? this.#find(slot, signal) : (found[index] ?? NONE_FOUND))),
    );
  }

  #findAll(slots: readonly OffsetSlot[], signal: AbortSignal): Promise<readonly FoundOffset[]> {
    return Promise.all(slots.map((slot) => this.#find(slot, signal)));
  }

  async #find(slot: OffsetSlot, signal: AbortSignal): Promise<FoundOffset> {
    const { access } = this.#deps;
    try {
      return await access.retryMissing(slot, signal, async () => {
        if (slot.error !== ErrorCode.NONE) return { ...NONE_FOUND, error: slot.error };
        const partition = access.partition(slot);
        return partition === undefined ? emptyLog(slot.spec) : await this.#findIn(partition, slot, signal);
      });
    } catch (error) {
      signal.throwIfAborted();
      return { ...NONE_FOUND, error: access.readError(slot, error) };
    }
  }

  async #findIn(partition: PartitionState, slot: OffsetSlot, signal: AbortSignal): Promise<FoundOffset> {
    const { spec } = slot;
    switch (spec.kind) {
      case "earliest":
        return offsetOnly(partition.logStartOffset);
      case "latest":
        return offsetOnly(spec.readCommitted ? lastStableOffset(partition) : partition.logEndOffset);
      case "max-timestamp":
        return answerOf(await findMaxTimestamp(partition, this.#reads(slot, signal)));
      case "at-time":
        return answerOf(await findByTime(partition, spec.timestampMs, this.#reads(slot, signal)));
      default:
        return unreachable(spec);
    }
  }

  #reads(slot: OffsetSlot, signal: AbortSignal): TimeReads {
    const { segments } = this.#deps;
    return {
      entry: (range, use) => this.#readEntry(slot, range, { signal, use }),
      segment: (range, use) => this.#readSegment(range, { signal, use }),
      locate: (segment, offset) => this.#locate(segment, signal, () => segments.locate(segment, offset, signal)),
      locateTime: (segment, timestampMs) =>
        this.#locate(segment, signal, () => segments.locateTime(segment, timestampMs, signal)),
    };
  }

  async #locate(
    { indexByteLength, timeIndexByteLength }: LogSegment,
    signal: AbortSignal,
    locate: () => Promise<SegmentPlace>,
  ): Promise<SegmentPlace> {
    using _grant = await this.#deps.budget.acquire(indexByteLength + timeIndexByteLength, signal);
    return await locate();
  }

  async #readSegment<T>(
    range: SegmentRange,
    { signal, use }: { readonly signal: AbortSignal; readonly use: (batches: SegmentBatches) => T },
  ): Promise<T> {
    const { segments, budget } = this.#deps;
    using _grant = await budget.acquire(windowOf(range), signal);
    const borrowed = new Borrowed();
    try {
      return use(await segments.read(range, { signal, borrowed }));
    } finally {
      borrowed.release();
    }
  }

  async #readEntry<T>(
    slot: OffsetSlot,
    range: EntryRange,
    options: { readonly signal: AbortSignal; readonly use: (chunks: readonly Uint8Array[]) => T },
  ): Promise<T> {
    const { entries, budget } = this.#deps;
    assert(slot.journal !== undefined, "a partition with entries has an open journal");
    const cached = entries.cached(slot.journal.id, range);
    if (cached !== undefined) return options.use(cached);
    using _grant = await budget.acquire(range.byteLength, options.signal);
    return await entries.read(slot.journal.id, range, options);
  }
}

/** A search by time needs it only where it finds nothing: what is appended later does not come before what is found. */
function needsStrongRead(spec: OffsetSpec): boolean {
  return spec.kind !== "at-time";
}

function isNone(found: FoundOffset | undefined): boolean {
  return found?.error === ErrorCode.NONE && found.offset === -1;
}

function emptyLog(spec: OffsetSpec): FoundOffset {
  return spec.kind === "earliest" || spec.kind === "latest" ? offsetOnly(0) : NONE_FOUND;
}

function offsetOnly(offset: Offset): FoundOffset {
  return { error: ErrorCode.NONE, offset, timestampMs: -1 };
}

function answerOf(record: TimedRecord | undefined): FoundOffset {
  return record === undefined ? NONE_FOUND : { error: ErrorCode.NONE, ...record };
}
