import type { LogSegment } from "#lib/log/log-state.ts";
import { isLost } from "#lib/log/segments.ts";
import { BATCH_HEADER_BYTES, readBatchHeader } from "#lib/record/record-batch.ts";
import type { RangeReader } from "#lib/storage/range-reader.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { READ_OBJECTS_REMEMBERED_MAX } from "#lib/util/limits.ts";
import { newestMs } from "./cleaning-plan.ts";
import { logOf } from "./segment-steps.ts";

/** How old the oldest records of segments are. The state does not say it, so their first batches are looked at, once. */
export class CompactionLag {
  readonly #objects: RangeReader;
  /** By directory. */
  readonly #firstMs = new Map<string, TimestampMs>();

  constructor(objects: RangeReader) {
    this.#objects = objects;
  }

  /**
   * Whether the first batch of one of the segments is from before `untilMs`, as Kafka looks at `max.compaction.lag.ms`.
   * Fails as `RangeReader.read` does.
   */
  async isOver(dirty: readonly LogSegment[], untilMs: TimestampMs, signal: AbortSignal): Promise<boolean> {
    // Without a bound on the lag, which is the default, nothing is too old, and nothing need be read.
    if (untilMs <= 0) return false;
    for (const segment of dirty) {
      if (isLost(segment)) continue;
      const isSurely = newestMs(segment) > 0 && newestMs(segment) < untilMs;
      if (isSurely) return true;
      const firstMs = await this.#firstOf(segment, signal);
      if (firstMs > 0 && firstMs < untilMs) return true;
    }
    return false;
  }

  async #firstOf(segment: LogSegment, signal: AbortSignal): Promise<TimestampMs> {
    const { directory } = segment;
    const known = this.#firstMs.get(directory);
    if (known !== undefined) return known;
    const borrowed = new Borrowed();
    const range = { position: 0, byteLength: BATCH_HEADER_BYTES };
    const chunks = await this.#objects.read(logOf(segment), range, { signal, borrowed });
    const { maxTimestamp } = readBatchHeader(joinChunks(chunks));
    borrowed.release();
    this.#firstMs.set(directory, maxTimestamp);
    for (const oldest of this.#firstMs.keys()) {
      if (this.#firstMs.size <= READ_OBJECTS_REMEMBERED_MAX) break;
      this.#firstMs.delete(oldest);
    }
    return maxTimestamp;
  }
}
