import { BATCH_HEADER_BYTES, lastOffsetOf, MAGIC_V2, readBatchHeader } from "#lib/record/record-batch.ts";
import { BatchWalk } from "#lib/storage/segments/batch-walk.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { BLOCK_BYTES, FIRST_BATCH_BYTES } from "#lib/util/limits.ts";
import { ChunkReader, sliceChunks } from "./entry-chunks.ts";
import { BatchCursor, type EntryRange, wholeEntry } from "./entry-index.ts";
import { CorruptEntryError, describe } from "./fetch-assembler.ts";
import type { LogSegment, PartitionState, WriteAheadEntry } from "./log-state.ts";
import { firstSince, maxOf, type StoredBatch, type TimedRecord } from "./record-times.ts";
import type { SegmentPlace, SegmentRange } from "./segment-batches.ts";
import type { SegmentBatches } from "./segment-reader.ts";
import { isLost } from "./segments.ts";

// Records by their timestamps: the maxima of segments and entries narrow it down to one of them, a time index or the headers
// of batches to a batch, and only that batch is decoded. Timestamps come from producers and rise and fall as they like.

/** How bytes are read for a search. */
export interface TimeReads {
  /** Reads the range and makes of it what `use` does; asks other stores if that fails with `CorruptEntryError`. */
  entry<T>(range: EntryRange, use: (chunks: readonly Uint8Array[]) => T): Promise<T>;
  /** What `use` gets stays for as long as it runs. */
  segment<T>(range: SegmentRange, use: (batches: SegmentBatches) => T): Promise<T>;
  locate(segment: LogSegment, offset: Offset): Promise<SegmentPlace>;
  locateTime(segment: LogSegment, timestampMs: TimestampMs): Promise<SegmentPlace>;
}

/** The first record, by offset, whose timestamp is `timestampMs` or later. */
export async function findByTime(
  partition: PartitionState,
  timestampMs: TimestampMs,
  reads: TimeReads,
): Promise<TimedRecord | undefined> {
  const from = partition.logStartOffset;
  // Folds change the lists while we read.
  const runs = runsOf(partition).filter((run) => run.maxTimestampMs >= timestampMs);
  for (const run of runs) {
    const found =
      run.kind === "segment"
        ? await firstInSegment(run.segment, { timestampMs, from }, reads)
        : await reads.entry(run.range, (chunks) => firstSince(timestampMs, from, batchesOf(run.range, chunks)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The record with the highest timestamp, the first of them if there are several; undefined if none has a timestamp. */
export async function findMaxTimestamp(partition: PartitionState, reads: TimeReads): Promise<TimedRecord | undefined> {
  const from = partition.logStartOffset;
  const runs = runsOf(partition);
  const [first, ...others] = runs;
  if (first === undefined) return undefined;
  const isCut = first.baseOffset < from;
  const latest = latestOf(isCut ? others : runs);
  // Where the log start lies within a run, the run's maximum may be that of a record which is gone.
  const best =
    isCut && first.maxTimestampMs >= (latest?.maxTimestampMs ?? 0) ? await maxOfRun(first, from, reads) : undefined;
  if (latest === undefined || (best !== undefined && best.timestampMs >= latest.maxTimestampMs)) return best;
  return (await maxOfRun(latest, from, reads)) ?? best;
}

/** A segment or an entry. */
type TimedRun = { readonly baseOffset: Offset; readonly maxTimestampMs: TimestampMs } & (
  | { readonly kind: "segment"; readonly segment: LogSegment }
  | { readonly kind: "entry"; readonly range: EntryRange }
);

/** In the order of offsets; what is lost has no records. */
function runsOf({ segments, entries }: PartitionState): readonly TimedRun[] {
  const inSegments = segments.filter((segment) => !isLost(segment)).map(runOfSegment);
  return [...inSegments, ...entries.filter((entry) => entry.place.kind !== "lost").map(runOfEntry)];
}

function runOfSegment(segment: LogSegment): TimedRun {
  const { baseOffset, maxTimestampMs } = segment;
  return { kind: "segment", segment, baseOffset, maxTimestampMs };
}

function runOfEntry(entry: WriteAheadEntry): TimedRun {
  const { baseOffset, maxTimestampMs } = entry;
  return { kind: "entry", range: wholeEntry(entry), baseOffset, maxTimestampMs };
}

/** The first run with the highest maximum; undefined if no record has a timestamp. */
function latestOf(runs: readonly TimedRun[]): TimedRun | undefined {
  let latest: TimedRun | undefined;
  for (const run of runs) {
    if (run.maxTimestampMs > (latest?.maxTimestampMs ?? -1)) latest = run;
  }
  return latest;
}

async function maxOfRun(run: TimedRun, from: Offset, reads: TimeReads): Promise<TimedRecord | undefined> {
  if (run.kind === "entry") return reads.entry(run.range, (chunks) => maxOf(batchesOf(run.range, chunks), from));
  const { segment } = run;
  const found = await firstInSegment(segment, { timestampMs: run.maxTimestampMs, from }, reads);
  if (found !== undefined) return found;
  // The record that had it lies before the log start.
  const place = await reads.locate(segment, from);
  let best: TimedRecord | undefined;
  for await (const max of eachWindow({ segment, place, from }, reads, (batches) => maxOf(batches, from))) {
    if (max !== undefined && max.timestampMs > (best?.timestampMs ?? -1)) best = max;
  }
  return best;
}

async function firstInSegment(
  segment: LogSegment,
  { timestampMs, from }: { readonly timestampMs: TimestampMs; readonly from: Offset },
  reads: TimeReads,
): Promise<TimedRecord | undefined> {
  const byTime = await reads.locateTime(segment, timestampMs);
  const byOffset = await reads.locate(segment, from);
  const place = byTime.position < byOffset.position ? byOffset : byTime;
  const search = (batches: Iterable<StoredBatch>) => firstSince(timestampMs, from, batches);
  for await (const found of eachWindow({ segment, place, from }, reads, search)) {
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What `search` finds in one stretch of the segment after another, from `place` to its end. */
async function* eachWindow<T>(
  start: { readonly segment: LogSegment; readonly place: SegmentPlace; readonly from: Offset },
  reads: TimeReads,
  search: (batches: Iterable<StoredBatch>) => T,
): AsyncGenerator<T, void, undefined> {
  const { segment, from } = start;
  let place: SegmentPlace | undefined = start.place;
  // By its index what is looked for is near.
  for (let bytesMax = FIRST_BATCH_BYTES; place !== undefined; bytesMax = BLOCK_BYTES) {
    const limits = { fromOffset: from, endOffset: segment.nextOffset, bytesMax, atLeastOneBatch: true };
    const window: { readonly found: T; readonly next: SegmentPlace | undefined } = await reads.segment(
      { segment, place, ...limits },
      (batches) => ({ found: search(batchesOfSegment(segment, batches)), next: batches.next }),
    );
    yield window.found;
    place = window.next;
  }
}

function* batchesOfSegment(segment: LogSegment, { chunks }: SegmentBatches): Generator<StoredBatch, void, undefined> {
  const walk = new BatchWalk(chunks);
  while (walk.next()) {
    const { header } = walk;
    const { baseOffset } = header;
    const where = () => `${segment.directory}, offset ${baseOffset}`;
    yield { header, baseOffset, nextOffset: lastOffsetOf(header) + 1, chunks: walk.views(0), where };
  }
}

function* batchesOf(range: EntryRange, chunks: readonly Uint8Array[]): Generator<StoredBatch, void, undefined> {
  const cursor = new BatchCursor(range.entry, range);
  while (cursor.next()) {
    const bytes = sliceChunks(chunks, cursor.position - range.position, cursor.byteLength);
    const reader = new ChunkReader(bytes);
    if (reader.remaining !== cursor.byteLength || cursor.byteLength < BATCH_HEADER_BYTES) {
      throw new CorruptEntryError(`the batch at ${cursor.position} is cut, ${describe(range)}`);
    }
    const head = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
    reader.copy(head, 0, BATCH_HEADER_BYTES);
    const header = readBatchHeader(head);
    if (header.magic !== MAGIC_V2 || header.sizeBytes !== cursor.byteLength) {
      throw new CorruptEntryError(`the batch at ${cursor.position} is another one, ${describe(range)}`);
    }
    const { baseOffset, nextOffset } = cursor;
    yield { header, baseOffset, nextOffset, chunks: bytes, where: () => describe(range) };
  }
}
