import { codecOf } from "#lib/record/compression-codec.ts";
import { crc32cOfChunks } from "#lib/record/crc32c.ts";
import { ATTRIBUTES_AT, type BatchHeader, lastOffsetOf, MAGIC_V2 } from "#lib/record/record-batch.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import type { SegmentSuffix } from "../object-keys.ts";
import { BatchWalk } from "./batch-walk.ts";
import { OffsetIndexCheck, TimeIndexCheck, TransactionIndexCheck } from "./verify-indexes.ts";
import { ProblemList, type SegmentProblem } from "./verify-report.ts";

export interface SegmentBytes {
  /** The .log, cut anywhere. */
  readonly log: readonly Uint8Array[];
  readonly index: Uint8Array;
  readonly timeIndex: Uint8Array;
  /** Empty if there is no such file. */
  readonly txnIndex: Uint8Array;
}

/** What the log's state says of a segment. Whoever knows only the files leaves out what they do not tell. */
export interface ExpectedSegment {
  readonly baseOffset: Offset;
  readonly nextOffset?: Offset;
  readonly byteLength?: number;
  readonly indexByteLength?: number;
  readonly timeIndexByteLength?: number;
  readonly txnIndexByteLength?: number;
  readonly maxTimestampMs?: TimestampMs;
  /** False: no offset may be missing. */
  readonly isCleaned?: boolean;
}

/**
 * Checks every byte of a segment's files: headers, CRCs and offsets of the batches, that every index entry is exact, and
 * that all of it is what is expected. No problems: the segment is whole. Records are not decompressed. What no sum
 * covers is a batch's base offset where cleaning has left offsets out around it: within that hole any value passes.
 */
export function verifySegment(files: SegmentBytes, expected: ExpectedSegment): readonly SegmentProblem[] {
  const problems = new ProblemList();
  const { baseOffset } = expected;
  verifyLengths(files, expected, problems);
  const index = new OffsetIndexCheck(files.index, baseOffset, problems);
  const times = new TimeIndexCheck(files.timeIndex, baseOffset, problems);
  const transactions = new TransactionIndexCheck(files.txnIndex, baseOffset, problems);
  const offsets = new OffsetCheck(expected, problems);
  const walk = new BatchWalk(files.log);
  while (walk.next()) {
    const { header, position } = walk;
    const isWhole = verifyBatch(walk, problems);
    offsets.add(position, header);
    index.add(position, header);
    if (!isWhole) continue;
    times.add(header);
    attempt(problems, position, () => transactions.add(header, () => joinChunks(walk.views(0))));
  }
  if (walk.remaining > 0) {
    problems.add("log", walk.position, `the ${walk.remaining} bytes from here on are no whole batch`);
    return problems.finish();
  }
  offsets.finish(walk.position);
  index.finish();
  times.finish();
  transactions.finish();
  const { maxTimestampMs = times.maxTimestampMs } = expected;
  if (maxTimestampMs !== times.maxTimestampMs) {
    problems.add("log", 0, `the largest timestamp is ${times.maxTimestampMs}, not ${maxTimestampMs}`);
  }
  return problems.finish();
}

function verifyLengths(files: SegmentBytes, expected: ExpectedSegment, problems: ProblemList): void {
  const logByteLength = files.log.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const lengths: readonly [SegmentSuffix, number, number | undefined][] = [
    ["log", logByteLength, expected.byteLength],
    ["index", files.index.byteLength, expected.indexByteLength],
    ["timeindex", files.timeIndex.byteLength, expected.timeIndexByteLength],
    ["txnindex", files.txnIndex.byteLength, expected.txnIndexByteLength],
  ];
  for (const [file, found, wanted = found] of lengths) {
    if (found !== wanted) problems.add(file, Math.min(found, wanted), `has ${found} bytes, not ${wanted}`);
  }
}

/** False: nothing in the batch is to be believed. */
function verifyBatch(walk: BatchWalk, problems: ProblemList): boolean {
  const { header, position } = walk;
  const fault = (problem: string) => problems.add("log", position, problem);
  if (header.magic !== MAGIC_V2) fault(`batch with magic ${header.magic}`);
  if (header.partitionLeaderEpoch !== 0) fault(`batch with leader epoch ${header.partitionLeaderEpoch}`);
  const sum = crc32cOfChunks(walk.views(ATTRIBUTES_AT));
  if (sum !== header.crc) {
    fault(`the batch sums to ${sum}, not to ${header.crc}`);
    return false;
  }
  if (codecOf(header.codecId) === undefined) fault(`unknown compression codec ${header.codecId}`);
  const { recordCount, lastOffsetDelta } = header;
  if (lastOffsetDelta >= 0 && recordCount >= 0 && recordCount <= lastOffsetDelta + 1) return true;
  fault(`batch of ${recordCount} records with offsets up to ${lastOffsetDelta} behind its first`);
  return false;
}

class OffsetCheck {
  readonly #expected: ExpectedSegment;
  readonly #problems: ProblemList;
  #nextOffset: Offset;

  constructor(expected: ExpectedSegment, problems: ProblemList) {
    this.#expected = expected;
    this.#problems = problems;
    this.#nextOffset = expected.baseOffset;
  }

  add(position: number, header: BatchHeader): void {
    const { baseOffset, lastOffsetDelta, recordCount } = header;
    const mayMiss = this.#expected.isCleaned !== false;
    if (baseOffset < this.#nextOffset || (baseOffset > this.#nextOffset && !mayMiss)) {
      this.#problems.add("log", position, `batch begins at offset ${baseOffset}, not at ${this.#nextOffset}`);
    }
    // A batch without records stands for records that are lost, in uncleaned segments too.
    if (!mayMiss && recordCount !== 0 && recordCount !== lastOffsetDelta + 1) {
      this.#problems.add("log", position, `${recordCount} records in a batch of ${lastOffsetDelta + 1} offsets`);
    }
    this.#nextOffset = lastOffsetOf(header) + 1;
  }

  finish(position: number): void {
    const { nextOffset = this.#nextOffset } = this.#expected;
    if (nextOffset === this.#nextOffset) return;
    this.#problems.add("log", position, `the log ends before offset ${this.#nextOffset}, not before ${nextOffset}`);
  }
}

function attempt(problems: ProblemList, position: number, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    problems.add("log", position, error.message);
  }
}
