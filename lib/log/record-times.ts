import { type BatchHeader, sumBatch } from "#lib/record/record-batch.ts";
import { scanRecords } from "#lib/record/record-reader.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { ChunkReader } from "./entry-chunks.ts";
import { CorruptEntryError } from "./fetch-assembler.ts";

export interface TimedRecord {
  readonly offset: Offset;
  readonly timestampMs: TimestampMs;
}

/** A batch as it was read. */
export interface StoredBatch {
  readonly header: BatchHeader;
  /** Its own; that of the header may be 0. */
  readonly baseOffset: Offset;
  readonly nextOffset: Offset;
  readonly chunks: readonly Uint8Array[];
  /** For messages: where it lies. */
  readonly where: () => string;
}

/** The first record, by offset from `from` on, whose timestamp is `timestampMs` or later. */
export function firstSince(
  timestampMs: TimestampMs,
  from: Offset,
  batches: Iterable<StoredBatch>,
): TimedRecord | undefined {
  for (const batch of batches) {
    if (batch.header.maxTimestamp < timestampMs) continue;
    const found = bestOf(batch, from, (record, best) => best === undefined && record.timestampMs >= timestampMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The record with the highest timestamp, from offset `from` on, the first of them if there are several. */
export function maxOf(batches: Iterable<StoredBatch>, from: Offset): TimedRecord | undefined {
  let best: TimedRecord | undefined;
  for (const batch of batches) {
    if (batch.header.maxTimestamp <= (best?.timestampMs ?? -1)) continue;
    const found = bestOf(batch, from, (record, other) => record.timestampMs > (other?.timestampMs ?? -1));
    if (found !== undefined && found.timestampMs > (best?.timestampMs ?? -1)) best = found;
  }
  return best;
}

type IsBetter = (record: TimedRecord, best: TimedRecord | undefined) => boolean;

/**
 * Of the batch's records from offset `from` on, the one after which none was better. Holds one record at a time: a batch
 * of a megabyte may decompress to millions of them.
 */
function bestOf(stored: StoredBatch, from: Offset, isBetter: IsBetter): TimedRecord | undefined {
  const { header, baseOffset, nextOffset } = stored;
  if (header.recordCount === 0) return undefined;
  const isWhole = header.recordCount === nextOffset - baseOffset;
  if (isWhole && header.timestampType === "LogAppendTime") return asWhole(stored, from, isBetter);
  const batch = joined(stored);
  if (sumBatch(batch) !== header.crc) throw new CorruptEntryError(`a CRC is wrong, ${stored.where()}`);
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
