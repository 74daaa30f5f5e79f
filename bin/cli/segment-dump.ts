import { codecOf } from "#lib/record/compression-codec.ts";
import { type BatchHeader, lastOffsetOf, sumBatch } from "#lib/record/record-batch.ts";
import { readRecords } from "#lib/record/record-reader.ts";
import { BatchWalk } from "#lib/storage/segments/batch-walk.ts";
import { OFFSET_INDEX_ENTRY_BYTES } from "#lib/storage/segments/offset-index.ts";
import { TIME_INDEX_ENTRY_BYTES } from "#lib/storage/segments/time-index.ts";
import { decodeTransactionIndex } from "#lib/storage/segments/transaction-index.ts";
import { LogError } from "#lib/util/errors.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";

// The lines of `millrace segments dump`: the fields and their names are those of Kafka's own DumpLogSegments.

/** A line for each batch of a .log and, if asked, one for each record. */
export function* dumpLog(bytes: Uint8Array, { isDeep }: { readonly isDeep: boolean }): Generator<string> {
  const walk = new BatchWalk([bytes]);
  while (walk.next()) {
    const batch = joinChunks(walk.views(0));
    yield batchLine(walk.header, { position: walk.position, isValid: sumBatch(batch) === walk.header.crc });
    if (!isDeep) continue;
    try {
      for (const record of readRecords(batch)) {
        const headers = record.headers.map(({ key, value }) => `${key}=${text(value)}`).join(",");
        const sizes = `keySize: ${record.key?.byteLength ?? -1} valueSize: ${record.value?.byteLength ?? -1}`;
        const time = `${walk.header.timestampType}: ${record.timestampMs}`;
        const content = `headerKeys: [${headers}] key: ${text(record.key)} payload: ${text(record.value)}`;
        yield `| offset: ${record.offset} ${time} ${sizes} ${content}`;
      }
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      yield `| cannot be read: ${error.message}`;
    }
  }
  if (walk.remaining > 0) yield `the ${walk.remaining} bytes from position ${walk.position} on are no whole batch`;
}

function batchLine(
  header: BatchHeader,
  { position, isValid }: { readonly position: number; readonly isValid: boolean },
) {
  const { baseOffset, recordCount, baseSequence, lastOffsetDelta } = header;
  const hasSequence = baseSequence >= 0;
  const fields: readonly (readonly [string, string | number | boolean])[] = [
    ["baseOffset", baseOffset],
    ["lastOffset", lastOffsetOf(header)],
    ["count", recordCount],
    ["baseSequence", baseSequence],
    ["lastSequence", hasSequence ? (baseSequence + lastOffsetDelta) % 0x8000_0000 : -1],
    ["producerId", header.producerId],
    ["producerEpoch", header.producerEpoch],
    ["partitionLeaderEpoch", header.partitionLeaderEpoch],
    ["isTransactional", header.isTransactional],
    ["isControl", header.isControl],
    ["deleteHorizonMs", header.hasDeleteHorizon ? header.baseTimestamp : "none"],
    ["position", position],
    [header.timestampType, header.maxTimestamp],
    ["size", header.sizeBytes],
    ["magic", header.magic],
    ["compresscodec", codecOf(header.codecId) ?? header.codecId],
    ["crc", header.crc],
    ["isvalid", isValid],
  ];
  return fields.map(([name, value]) => `${name}: ${value}`).join(" ");
}

/**
 * A line for each entry of an .index, .timeindex or .txnindex. Kafka makes the first two longer than they need to be while
 * it writes them: after a crash zeroes follow the last entry.
 */
export function* dumpIndex(bytes: Uint8Array, kind: string, baseOffset: number): Generator<string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (kind === "index") {
    for (let at = 0; at + OFFSET_INDEX_ENTRY_BYTES <= bytes.byteLength; at += OFFSET_INDEX_ENTRY_BYTES) {
      if (at > 0 && view.getInt32(at) === 0) return;
      yield `offset: ${baseOffset + view.getInt32(at)} position: ${view.getInt32(at + 4)}`;
    }
  } else if (kind === "timeindex") {
    for (let at = 0; at + TIME_INDEX_ENTRY_BYTES <= bytes.byteLength; at += TIME_INDEX_ENTRY_BYTES) {
      if (at > 0 && view.getInt32(at + 8) === 0) return;
      yield `timestamp: ${view.getBigInt64(at)} offset: ${baseOffset + view.getInt32(at + 8)}`;
    }
  } else {
    for (const one of decodeTransactionIndex(bytes, baseOffset)) {
      yield Object.entries(one)
        .map(([name, value]) => `${name}: ${value}`)
        .join(" ");
    }
  }
}

/** UTF-8 where it is printable, else hexadecimal; `null` for none. */
function text(bytes: Uint8Array | null): string {
  if (bytes === null) return "null";
  try {
    const decoded = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return /^\P{C}*$/u.test(decoded) ? decoded : `0x${Buffer.from(bytes).toString("hex")}`;
  } catch {
    return `0x${Buffer.from(bytes).toString("hex")}`;
  }
}
