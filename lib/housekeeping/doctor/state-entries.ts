import { batchSizesOf } from "#lib/log/batch-sizes.ts";
import type { WriteAheadEntry } from "#lib/log/log-state.ts";
import { readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { LogError } from "#lib/util/errors.ts";

export interface BatchSize {
  readonly byteLength: number;
  readonly offsetCount: number;
}

/** The batches' sizes of one entry, as its command gave them. Fails with `DecodeError`. */
export function entryBatches(entry: WriteAheadEntry): readonly BatchSize[] {
  const reader = new ByteReader(batchSizesOf(entry));
  const sizes: BatchSize[] = [];
  while (reader.remaining > 0) sizes.push({ byteLength: reader.uvarint(), offsetCount: reader.uvarint() });
  return sizes;
}

/**
 * Holds an entry of a state against its object, where the command is gone: sizes and offsets are all that a state keeps
 * of a batch. Checksums are those of the object.
 */
export function parseBatchRun(
  object: Uint8Array,
  entry: WriteAheadEntry,
): { readonly batchCount: number; readonly problems: readonly string[] } {
  const { position, byteLength } = entry;
  try {
    const sizes = entryBatches(entry);
    const { batches, tailBytes } = splitBatches(object.subarray(position, position + byteLength));
    if (tailBytes !== 0 || batches.length !== sizes.length) {
      return { batchCount: 0, problems: [`${batches.length} batches are there, the state names ${sizes.length}`] };
    }
    const problems = batches.flatMap((batch, index) => {
      const size = sizes[index];
      const offsetCount = readBatchHeader(batch).lastOffsetDelta + 1;
      const fits = size?.byteLength === batch.byteLength && size.offsetCount === offsetCount;
      if (fits) return [];
      return [`a batch has ${batch.byteLength} bytes and ${offsetCount} offsets, the state says otherwise`];
    });
    return { batchCount: batches.length, problems };
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return { batchCount: 0, problems: [error.message] };
  }
}
