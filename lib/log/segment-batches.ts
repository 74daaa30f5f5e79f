import { crc32cOfChunks } from "#lib/record/crc32c.ts";
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  type BatchHeader,
  LOG_OVERHEAD_BYTES,
  lastOffsetOf,
  MAGIC_V2,
} from "#lib/record/record-batch.ts";
import { BatchWalk } from "#lib/storage/segments/batch-walk.ts";
import { CorruptSegmentError } from "#lib/storage/segments/errors.ts";
import type { Offset } from "#lib/util/branded.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";
import { checkedBytesOf, markChecked } from "./checked-chunks.ts";
import { sliceChunks } from "./entry-chunks.ts";
import type { LogSegment } from "./log-state.ts";

// From a window of a log segment to the batches that are wanted of it. They have their true offsets, so they are handed
// on as views of what was read.
//
//   window   [ passed over | passed over |  taken  |  taken  |  taken  | cut off ]
//              '- position                  '- reaches up to fromOffset

/** Where to begin to read a segment's log: a batch begins there. */
export interface SegmentPlace {
  readonly position: number;
  /**
   * Where that batch begins: exactly, or at this offset or behind it in what is cleaned. Undefined if an index named the
   * place: then it is only known that the batch ends at or before `lastOffsetMax`.
   */
  readonly offset: Offset | undefined;
  readonly lastOffsetMax: Offset;
  /** The batch that was looked for begins here or before; undefined if that is not known. */
  readonly nextPosition: number | undefined;
}

export function startOf(segment: LogSegment): SegmentPlace {
  return { position: 0, offset: segment.baseOffset, lastOffsetMax: segment.nextOffset - 1, nextPosition: undefined };
}

/** Consecutive whole batches of a segment. */
export interface SegmentRange {
  readonly segment: LogSegment;
  readonly place: SegmentPlace;
  /** Batches that do not reach up to it are passed over. */
  readonly fromOffset: Offset;
  /** No batch that reaches beyond it. */
  readonly endOffset: Offset;
  readonly bytesMax: number;
  /** The first batch comes even if it is larger than `bytesMax`. */
  readonly atLeastOneBatch: boolean;
}

export interface SegmentCut {
  /** The taken batches as views. */
  readonly chunks: readonly Uint8Array[];
  readonly byteLength: number;
  /** Behind the last batch that was taken or passed over: its place, and its next offset if there was one. */
  readonly nextPosition: number;
  readonly nextOffset: Offset | undefined;
  /** Bytes of the batch at `nextPosition`, or at least of its header, if the window ended before it did; else 0. */
  readonly wantedBytes: number;
  /** What is wrong at `nextPosition`. */
  readonly damage: CorruptSegmentError | undefined;
}

/** Takes the batches of `range` from `window`, which are the bytes of the log from `range.place` on. Sums are checked. */
export function cutBatches(window: readonly Uint8Array[], range: SegmentRange): SegmentCut {
  const { fromOffset, endOffset, place } = range;
  const walk = new BatchWalk(window);
  const checkedBytes = checkedBytesOf(window);
  let nextOffset = place.offset;
  let takenFrom = 0;
  let byteLength = 0;
  const cut = (end: { readonly wantedBytes?: number; readonly problem?: string | undefined }): SegmentCut => {
    if (takenFrom === 0) markChecked(window, byteLength);
    return {
      chunks: sliceChunks(window, takenFrom, byteLength),
      byteLength,
      nextPosition: place.position + walk.position,
      nextOffset,
      wantedBytes: end.wantedBytes ?? 0,
      damage: end.problem === undefined ? undefined : damageOf(range, walk, end.problem),
    };
  };
  while (walk.next()) {
    const { header } = walk;
    const lastOffset = lastOffsetOf(header);
    const isPassedOver = lastOffset < fromOffset;
    const problem = headerProblem(header, range, nextOffset);
    if (problem !== undefined) return cut({ problem });
    if (!isPassedOver && (lastOffset >= endOffset || !fits(range, byteLength, walk.byteLength))) return cut({});
    // What is passed over is not served; but that an index named the beginning of a batch is not taken on trust.
    const isToCheck = walk.position + walk.byteLength > checkedBytes && (!isPassedOver || walk.position === 0);
    if (isToCheck && crc32cOfChunks(walk.views(ATTRIBUTES_AT)) !== header.crc)
      return cut({ problem: "its CRC is wrong" });
    if (!isPassedOver) {
      if (byteLength === 0) takenFrom = walk.position;
      byteLength += walk.byteLength;
    }
    nextOffset = lastOffset + 1;
  }
  return cut(endOf(walk, window, { range, nextOffset, isTaken: byteLength > 0 }));
}

function fits(range: SegmentRange, takenBytes: number, byteLength: number): boolean {
  return takenBytes + byteLength <= range.bytesMax || (takenBytes === 0 && range.atLeastOneBatch);
}

function headerProblem(
  header: BatchHeader,
  { segment, place }: SegmentRange,
  expectedOffset: Offset | undefined,
): string | undefined {
  const { magic, partitionLeaderEpoch, baseOffset } = header;
  const lastOffset = lastOffsetOf(header);
  if (magic !== MAGIC_V2 || partitionLeaderEpoch !== 0) {
    return `it has magic ${magic} and leader epoch ${partitionLeaderEpoch}`;
  }
  const isWithin = baseOffset >= segment.baseOffset && lastOffset >= baseOffset && lastOffset < segment.nextOffset;
  if (!isWithin) return `its offsets ${baseOffset} to ${lastOffset} are not the segment's`;
  if (expectedOffset === undefined) {
    const { lastOffsetMax } = place;
    return lastOffset <= lastOffsetMax
      ? undefined
      : `it ends at offset ${lastOffset}, by the index at ${lastOffsetMax}`;
  }
  const isNext = segment.isCleaned ? baseOffset >= expectedOffset : baseOffset === expectedOffset;
  return isNext ? undefined : `it begins at offset ${baseOffset} where ${expectedOffset} belongs`;
}

/** What the end of the window says: that more is there, that all is there, or that the log is cut. */
function endOf(
  walk: BatchWalk,
  window: readonly Uint8Array[],
  { range, nextOffset, isTaken }: { range: SegmentRange; nextOffset: Offset | undefined; isTaken: boolean },
): { readonly wantedBytes?: number; readonly problem?: string } {
  const { segment, place } = range;
  const bytesLeft = segment.byteLength - place.position - walk.position;
  if (bytesLeft === 0) {
    return nextOffset === segment.nextOffset ? {} : { problem: `the log ends there, and not at ${segment.nextOffset}` };
  }
  const sizeBytes = walk.remaining < LOG_OVERHEAD_BYTES ? BATCH_HEADER_BYTES : sizeAt(window, walk.position);
  if (sizeBytes < BATCH_HEADER_BYTES || sizeBytes > Math.min(bytesLeft, REQUEST_BYTES_MAX)) {
    return { problem: `it claims ${sizeBytes} bytes of ${bytesLeft}` };
  }
  return isTaken ? {} : { wantedBytes: sizeBytes };
}

function sizeAt(window: readonly Uint8Array[], position: number): number {
  const head = Buffer.concat(sliceChunks(window, position, LOG_OVERHEAD_BYTES));
  return head.readInt32BE(BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES;
}

function damageOf({ segment, place }: SegmentRange, walk: BatchWalk, problem: string): CorruptSegmentError {
  const { baseOffset, directory } = segment;
  return new CorruptSegmentError(
    baseOffset,
    `${directory}: the batch at ${place.position + walk.position}: ${problem}`,
  );
}
