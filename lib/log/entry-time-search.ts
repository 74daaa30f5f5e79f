import { BATCH_HEADER_BYTES, type BatchHeader, MAGIC_V2, readBatchHeader, sumBatch } from "#lib/record/record-batch.ts";
import { scanRecords } from "#lib/record/record-reader.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { ChunkReader, sliceChunks } from "./entry-chunks.ts";
import { BatchCursor, type EntryRange, wholeEntry } from "./entry-index.ts";
import { CorruptEntryError, describe } from "./fetch-assembler.ts";
import type { PartitionState, WriteAheadEntry } from "./log-state.ts";

// Records by their timestamps: entries' maxima narrow it down to an entry, batches' headers to a batch, and only that
// batch is decoded. Timestamps come from producers and rise and fall as they like.

export interface TimedRecord {
  readonly offset: Offset;
  readonly timestampMs: TimestampMs;
}

/** Reads the range and makes of it what `use` does; asks other stores if that fails with `CorruptEntryError`. */
export type ReadRange = <T>(range: EntryRange, use: (chunks: readonly Uint8Array[]) => T) => Promise<T>;

/** The first record, by offset, whose timestamp is `timestampMs` or later. */
export async function findByTime(
  partition: PartitionState,
  timestampMs: TimestampMs,
  read: ReadRange,
): Promise<TimedRecord | undefined> {
  const from = partition.logStartOffset;
  // Folds change the list while we read.
  const candidates = partition.entries.filter(
    (entry) => entry.maxTimestampMs >= timestampMs && entry.place.kind !== "lost",
  );
  for (const entry of candidates) {
    const range = wholeEntry(entry);
    const found = await read(range, (chunks) => firstSince(timestampMs, from, batchesOf(range, chunks)));
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstSince(timestampMs: TimestampMs, from: Offset, batches: Iterable<StoredBatch>): TimedRecord | undefined {
  for (const batch of batches) {
    if (batch.header.maxTimestamp < timestampMs) continue;
    const found = bestOf(batch, from, (record, best) => best === undefined && record.timestampMs >= timestampMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The record with the highest timestamp, the first of them if there are several; undefined if none has a timestamp. */
export async function findMaxTimestamp(partition: PartitionState, read: ReadRange): Promise<TimedRecord | undefined> {
  const from = partition.logStartOffset;
  const [first, ...others] = partition.entries;
  if (first === undefined) return undefined;
  const isCut = first.baseOffset < from;
  const latest = latestOf(isCut ? others : partition.entries);
  // Where the log start lies within an entry, the entry's maximum may be that of a record which is gone.
  const best =
    isCut && first.maxTimestampMs >= (latest?.maxTimestampMs ?? 0) ? await maxOfEntry(first, from, read) : undefined;
  if (latest === undefined || (best !== undefined && best.timestampMs >= latest.maxTimestampMs)) return best;
  return (await maxOfEntry(latest, from, read)) ?? best;
}

/** The first entry with the highest maximum; undefined if no record has a timestamp. What is lost has no records. */
function latestOf(entries: readonly WriteAheadEntry[]): WriteAheadEntry | undefined {
  let latest: WriteAheadEntry | undefined;
  for (const entry of entries) {
    if (entry.maxTimestampMs > (latest?.maxTimestampMs ?? -1) && entry.place.kind !== "lost") latest = entry;
  }
  return latest;
}

function maxOfEntry(entry: WriteAheadEntry, from: Offset, read: ReadRange): Promise<TimedRecord | undefined> {
  const range = wholeEntry(entry);
  return read(range, (chunks) => maxOf(batchesOf(range, chunks), from));
}

function maxOf(batches: Iterable<StoredBatch>, from: Offset): TimedRecord | undefined {
  let best: TimedRecord | undefined;
  for (const batch of batches) {
    if (batch.header.maxTimestamp <= (best?.timestampMs ?? -1)) continue;
    const found = bestOf(batch, from, (record, other) => record.timestampMs > (other?.timestampMs ?? -1));
    if (found !== undefined && found.timestampMs > (best?.timestampMs ?? -1)) best = found;
  }
  return best;
}

interface StoredBatch {
  readonly header: BatchHeader;
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  readonly chunks: readonly Uint8Array[];
  readonly range: EntryRange;
}

function* batchesOf(range: EntryRange, chunks: readonly Uint8Array[]): Generator<StoredBatch, void, undefined> {
  const cursor = new BatchCursor(range.entry.batches, range);
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
    yield { header, baseOffset: cursor.baseOffset, nextOffset: cursor.nextOffset, chunks: bytes, range };
  }
}

type IsBetter = (record: TimedRecord, best: TimedRecord | undefined) => boolean;

/**
 * Of the batch's records from offset `from` on, the one after which none was better. Holds one record at a time: a batch
 * of a megabyte may decompress to millions of them.
 */
function bestOf(stored: StoredBatch, from: Offset, isBetter: IsBetter): TimedRecord | undefined {
  const { header, baseOffset } = stored;
  if (header.timestampType === "LogAppendTime") return asWhole(stored, from, isBetter);
  const batch = joined(stored);
  if (sumBatch(batch) !== header.crc) throw new CorruptEntryError(`a CRC is wrong, ${describe(stored.range)}`);
  let best: TimedRecord | undefined;
  try {
    for (const { offset: stamped, timestampMs } of scanRecords(batch)) {
      const record = { offset: baseOffset + stamped - header.baseOffset, timestampMs };
      if (record.offset >= from && isBetter(record, best)) best = record;
    }
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    // The bytes are what their producer sent, and it sent nonsense or a section too large to open. Its batch counts as
    // a whole, so that it does not spoil the search for everybody else.
    return asWhole(stored, from, isBetter);
  }
  return best;
}

/** The first record, as if all had the batch's maximum: so they do where the log stamps them. */
function asWhole({ header, baseOffset, nextOffset }: StoredBatch, from: Offset, isBetter: IsBetter) {
  const record: TimedRecord = { offset: Math.max(baseOffset, from), timestampMs: header.maxTimestamp };
  return record.offset < nextOffset && isBetter(record, undefined) ? record : undefined;
}

function joined({ chunks, header }: StoredBatch): Uint8Array {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const bytes = Buffer.allocUnsafe(header.sizeBytes);
  new ChunkReader(chunks).copy(bytes, 0, header.sizeBytes);
  return bytes;
}
