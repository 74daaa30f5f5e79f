import { wholeEntry } from "#lib/log/entry-index.ts";
import { assembleRange } from "#lib/log/fetch-assembler.ts";
import type { LogSegment } from "#lib/log/log-state.ts";
import { entryOfLost, lostBatches } from "#lib/log/lost-batches.ts";
import { type SegmentPlace, startOf } from "#lib/log/segment-batches.ts";
import type { SegmentReader } from "#lib/log/segment-reader.ts";
import { isLost } from "#lib/log/segments.ts";
import { SegmentBuilder, type SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import { assert, defined } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import { copyChunks } from "#lib/util/join-chunks.ts";
import { BLOCK_RUN_BYTES_MAX } from "#lib/util/limits.ts";
import { sumBytes } from "./plan-segments.ts";

/**
 * One segment made of several, their batches unchanged; those of what is lost are empty ones. Fails as `SegmentReader.read`
 * does: nothing is carried on that is not what was written.
 */
export async function mergeSegments(
  segments: readonly LogSegment[],
  reader: SegmentReader,
  signal: AbortSignal,
): Promise<SegmentFiles> {
  const bytes = Buffer.allocUnsafeSlow(sumBytes(segments));
  const builder = new SegmentBuilder({ baseOffset: defined(segments[0]).baseOffset });
  let at = 0;
  const append = (chunks: readonly Uint8Array[], byteLength: number): void => {
    // What was read lies in memory that will be used again.
    const own = copyChunks(bytes.subarray(at, at + byteLength), chunks);
    at += byteLength;
    builder.add([own]);
  };
  for (const segment of segments) {
    if (isLost(segment)) append(lostChunks(segment), segment.byteLength);
    else await readAll(segment, reader, { append, signal });
    assert(builder.nextOffset === segment.nextOffset, "a segment is read up to its end");
  }
  return { ...builder.finish(), log: [bytes] };
}

async function readAll(
  segment: LogSegment,
  reader: SegmentReader,
  {
    append,
    signal,
  }: { readonly append: (chunks: readonly Uint8Array[], byteLength: number) => void; readonly signal: AbortSignal },
): Promise<void> {
  let place: SegmentPlace | undefined = startOf(segment);
  while (place !== undefined) {
    const borrowed = new Borrowed();
    try {
      const batches = await reader.read(
        {
          segment,
          place,
          fromOffset: segment.baseOffset,
          endOffset: segment.nextOffset,
          bytesMax: BLOCK_RUN_BYTES_MAX,
          atLeastOneBatch: true,
        },
        { signal, borrowed },
      );
      append(batches.chunks, batches.byteLength);
      place = batches.next;
    } finally {
      borrowed.release();
    }
  }
}

function lostChunks(segment: LogSegment): readonly Uint8Array[] {
  const range = wholeEntry(entryOfLost(segment));
  return assembleRange(range, [lostBatches(range)], "lengths");
}
