import { type BatchProducer, buildBatch } from "#lib/record/batch-builder.ts";
import { readRecords } from "#lib/record/record-reader.ts";

// Every batch of a simulation has a name of its own, which each of its records carries: `<client>.<number>` as key, or
// before a bar in the value where the key is one of those that are used again and again, `k:<number>`.

export interface NamedBatch {
  readonly name: string;
  readonly recordCount: number;
  readonly bytes: Uint8Array;
}

export function namedBatch(
  name: string,
  options: {
    readonly recordCount: number;
    readonly paddingBytes: number;
    readonly timestampMs: number;
    readonly keys?: readonly string[];
  },
  producer?: BatchProducer,
): NamedBatch {
  const { recordCount, paddingBytes, timestampMs, keys } = options;
  const records = Array.from({ length: recordCount }, (_, index) => ({
    timestampMs: timestampMs + index,
    key: Buffer.from(keys?.[index] ?? name),
    value: Buffer.from((keys === undefined ? "" : `${name}|`) + "x".repeat(index === 0 ? paddingBytes : 1)),
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
  for (const record of readRecords(batch)) name ??= nameOfRecord(record);
  return name ?? NO_RECORDS;
}

function nameOfRecord({ key, value }: { readonly key: Uint8Array | null; readonly value: Uint8Array | null }): string {
  const own = key === null ? NO_RECORDS : Buffer.from(key).toString();
  if (!own.startsWith("k:") || value === null) return own;
  const [name] = Buffer.from(value).toString().split("|");
  return name ?? NO_RECORDS;
}
