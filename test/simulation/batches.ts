import { type BatchProducer, buildBatch } from "#lib/record/batch-builder.ts";
import { readRecords } from "#lib/record/record-reader.ts";

// Every batch of a simulation has a name of its own, which each of its records carries: `<client>.<number>` as key.

export interface NamedBatch {
  readonly name: string;
  readonly recordCount: number;
  readonly bytes: Uint8Array;
}

export function namedBatch(
  name: string,
  options: { readonly recordCount: number; readonly paddingBytes: number; readonly timestampMs: number },
  producer?: BatchProducer,
): NamedBatch {
  const { recordCount, paddingBytes, timestampMs } = options;
  const records = Array.from({ length: recordCount }, (_, index) => ({
    timestampMs: timestampMs + index,
    key: Buffer.from(name),
    value: Buffer.alloc(index === 0 ? paddingBytes : 1, "x"),
    headers: [],
  }));
  const bytes = buildBatch(records, { partitionLeaderEpoch: 0, ...(producer === undefined ? {} : { producer }) });
  return { name, recordCount, bytes };
}

/** The name of a batch without records. */
export const NO_RECORDS = "?";

/** Fails with `CorruptRecordError` if the batch is damaged: its checksum is looked at. */
export function nameOfBatch(batch: Uint8Array | undefined): string {
  if (batch === undefined) return NO_RECORDS;
  let name: string | undefined;
  for (const { key } of readRecords(batch)) name ??= key === null ? "?" : Buffer.from(key).toString();
  return name ?? NO_RECORDS;
}
