import type { LogSegment } from "#lib/log/log-state.ts";
import { segmentKey } from "#lib/log/segments.ts";
import { type BatchHeader, lastOffsetOf, MAGIC_V2, sumBatch } from "#lib/record/record-batch.ts";
import type { ObjectRef } from "#lib/storage/copy-reader.ts";
import type { RangeReader } from "#lib/storage/range-reader.ts";
import { BatchWalk } from "#lib/storage/segments/batch-walk.ts";
import { CorruptSegmentError } from "#lib/storage/segments/errors.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import type { Offset } from "#lib/util/branded.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { CLEANER_READ_BYTES } from "#lib/util/limits.ts";

/** A whole batch of a segment, whose checksum is right. */
export interface SegmentBatch {
  readonly bytes: Uint8Array;
  readonly header: BatchHeader;
}

/** Batches that were read at once. */
export interface SegmentStep {
  readonly batches: readonly SegmentBatch[];
  /** What they are views of: whoever takes the step releases it, later if a view is kept. */
  readonly borrowed: Borrowed;
}

/**
 * All batches of a segment's log, some megabytes at a time, the next ones on their way meanwhile. A copy that is damaged is
 * left for another one. Fails with `CorruptSegmentError` if none is whole, and as `RangeReader.read` does.
 */
export async function* readSegment(
  segment: LogSegment,
  { objects, signal }: { readonly objects: RangeReader; readonly signal: AbortSignal },
): AsyncGenerator<SegmentStep, void, undefined> {
  const object = logOf(segment);
  let wantedBytes = CLEANER_READ_BYTES;
  for (let position = 0, nextOffset = segment.baseOffset; position < object.byteLength; ) {
    const byteLength = Math.min(wantedBytes, object.byteLength - position);
    const range = { position, byteLength };
    const isEnd = position + byteLength === object.byteLength;
    const borrowed = new Borrowed();
    const chunks = await objects.read(object, range, { signal, borrowed });
    if (!isEnd) objects.prefetch(object, { position: position + byteLength, byteLength: CLEANER_READ_BYTES });
    const taken = takeBatches(chunks, { segment, nextOffset, isEnd });
    if (taken.problem !== undefined) {
      borrowed.release();
      if (objects.distrust(object, range)) continue;
      throw new CorruptSegmentError(segment.baseOffset, `${taken.problem} at position ${position + taken.byteLength}`);
    }
    // A batch that is larger than what was read.
    wantedBytes = taken.batches.length === 0 ? 2 * byteLength : CLEANER_READ_BYTES;
    position += taken.byteLength;
    nextOffset = taken.nextOffset;
    if (taken.batches.length === 0) borrowed.release();
    else yield { batches: taken.batches, borrowed };
  }
}

export function logOf(segment: LogSegment): ObjectRef {
  const { byteLength, copies } = segment;
  return { key: segmentKey(segment, "log"), byteLength, copies };
}

interface Expected {
  readonly segment: LogSegment;
  /** No batch begins before it. */
  readonly nextOffset: Offset;
  /** The chunks go up to the end of the log. */
  readonly isEnd: boolean;
}

interface Taken {
  readonly batches: readonly SegmentBatch[];
  readonly byteLength: number;
  readonly nextOffset: Offset;
  /** What is wrong with what follows. */
  readonly problem: string | undefined;
}

function takeBatches(chunks: readonly Uint8Array[], { segment, isEnd, ...expected }: Expected): Taken {
  const walk = new BatchWalk(chunks);
  const batches: SegmentBatch[] = [];
  let { nextOffset } = expected;
  const taken = (problem?: string): Taken => ({ batches, byteLength: walk.position, nextOffset, problem });
  while (walk.next()) {
    const { header } = walk;
    const views = walk.views(0);
    const bytes = views.length === 1 && views[0] !== undefined ? views[0] : joinChunks(views);
    if (header.magic !== MAGIC_V2 || sumBatch(bytes) !== header.crc) return taken("a damaged batch");
    const lastOffset = lastOffsetOf(header);
    if (header.baseOffset < nextOffset || lastOffset < header.baseOffset || lastOffset >= segment.nextOffset) {
      return taken(`a batch of offsets ${header.baseOffset} to ${lastOffset}`);
    }
    batches.push({ bytes, header });
    nextOffset = lastOffset + 1;
  }
  if (!isEnd) return taken();
  if (walk.remaining > 0) return taken("no whole batch");
  return nextOffset === segment.nextOffset ? taken() : taken(`the log ends at offset ${nextOffset}`);
}
