import type { AppendBatch, AppendPart } from "#lib/log/log-command.ts";
import { type BatchHeader, MAGIC_V2, readBatchHeader, splitBatches, sumBatch } from "#lib/record/record-batch.ts";
import { LogError } from "#lib/util/errors.ts";

/** Something that a command says of its bytes and that is not so. */
export interface BatchProblem {
  readonly part: AppendPart;
  /** Of the batch's first byte in the object, or in the inlined bytes. */
  readonly position: number;
  readonly problem: string;
}

/** Holds the parts of a flush against its bytes: places, checksums, and the facts that the fold was told. */
export function checkParts(bytes: Uint8Array, parts: readonly AppendPart[]): readonly BatchProblem[] {
  return parts.flatMap((part) => checkPart(bytes, part));
}

/** Inlined bytes belong to their command alone, so its parts fill them. */
export function checkInlineFilled(bytes: Uint8Array, parts: readonly AppendPart[]): string | undefined {
  let end = 0;
  for (const part of [...parts].sort((a, b) => a.position - b.position)) {
    if (part.position !== end) return `a part begins at byte ${part.position}, the one before ends at ${end}`;
    end = part.position + byteLengthOf(part);
  }
  return end === bytes.byteLength ? undefined : `the parts end at byte ${end} of ${bytes.byteLength}`;
}

export function byteLengthOf(part: AppendPart): number {
  return part.batches.reduce((sum, batch) => sum + batch.byteLength, 0);
}

function checkPart(bytes: Uint8Array, part: AppendPart): readonly BatchProblem[] {
  const { position, batches } = part;
  const byteLength = byteLengthOf(part);
  const at = (where: number, problem: string): BatchProblem => ({ part, position: where, problem });
  if (position < 0 || position + byteLength > bytes.byteLength) {
    return [at(position, `${byteLength} bytes end beyond the ${bytes.byteLength} that are there`)];
  }
  let found: readonly Uint8Array[];
  try {
    const split = splitBatches(bytes.subarray(position, position + byteLength));
    if (split.tailBytes !== 0) return [at(position + byteLength - split.tailBytes, "the last batch is cut")];
    found = split.batches;
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return [at(position, error.message)];
  }
  if (found.length !== batches.length) {
    return [at(position, `${found.length} batches are there, the command names ${batches.length}`)];
  }
  const problems: BatchProblem[] = [];
  let end = position;
  for (const [index, batch] of batches.entries()) {
    const there = found[index];
    if (there !== undefined) problems.push(...checkBatch(there, batch).map((problem) => at(end, problem)));
    end += there?.byteLength ?? 0;
  }
  return problems;
}

/** One batch's checksum, form and facts. */
export function checkBatch(bytes: Uint8Array, batch: AppendBatch): readonly string[] {
  const header = readBatchHeader(bytes);
  if (header.magic !== MAGIC_V2) return [`a batch has magic ${header.magic}`];
  const sum = sumBatch(bytes);
  if (sum !== header.crc) return [`a batch's CRC is ${header.crc}, its bytes sum to ${sum}`];
  const facts: readonly (readonly [string, unknown, unknown])[] = [
    ["bytes", header.sizeBytes, batch.byteLength],
    ["offsets", header.lastOffsetDelta + 1, batch.offsetCount],
    ["records", header.recordCount, batch.offsetCount],
    ["base offset", header.baseOffset, 0],
    ["max timestamp", header.maxTimestamp, batch.maxTimestampMs],
    ["transactional", header.isTransactional, batch.isTransactional],
    ...producerFacts(header, batch),
  ];
  return facts
    .filter(([, there, told]) => there !== told)
    .map(([name, there, told]) => `a batch has ${name} ${String(there)}, its command says ${String(told)}`);
}

/** Without a producer id, epoch and sequence mean nothing, and clients write what they like. */
function producerFacts(header: BatchHeader, batch: AppendBatch): readonly (readonly [string, unknown, unknown])[] {
  if (header.producerId < 0 && batch.producerId < 0) return [];
  return [
    ["producer id", header.producerId, batch.producerId],
    ["producer epoch", header.producerEpoch, batch.producerEpoch],
    ["base sequence", header.baseSequence, batch.baseSequence],
  ];
}
