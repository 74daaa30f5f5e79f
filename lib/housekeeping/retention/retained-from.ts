import type { LogSegment, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";

export interface RetentionLimits {
  /** -1 for no limit, as in Kafka. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

/** What goes or stays as a whole: a log segment, or a write-ahead entry that is not compacted yet. */
type Unit = Pick<LogSegment | WriteAheadEntry, "nextOffset" | "byteLength" | "maxTimestampMs" | "appendedAtMs">;

/**
 * Where the log begins once retention has had its way; the present log start if nothing is to go. Kafka's rules
 * (`UnifiedLog.deleteOldSegments`), with write-ahead entries as the youngest segments: by size first, as long as what
 * remains is not below the limit, then by the newest timestamp of each. From the oldest one on, and both stop at
 * the first that stays; so a timestamp in the future holds everything behind it. All may go, the last one too.
 */
export function retainedFrom(partition: PartitionState, limits: RetentionLimits, nowMs: TimestampMs): Offset {
  const { retentionMs, retentionBytes } = limits;
  let gone = 0;
  if (retentionBytes >= 0) {
    let excess = byteLengthOf(partition) - retentionBytes;
    for (let unit = unitAt(partition, gone); unit !== undefined; unit = unitAt(partition, gone)) {
      if (excess - unit.byteLength < 0) break;
      excess -= unit.byteLength;
      gone++;
    }
  }
  if (retentionMs >= 0) {
    for (let unit = unitAt(partition, gone); unit !== undefined; unit = unitAt(partition, gone)) {
      if (nowMs - newestTimestampOf(unit) <= retentionMs) break;
      gone++;
    }
  }
  const last = gone === 0 ? undefined : unitAt(partition, gone - 1);
  return Math.max(partition.logStartOffset, last?.nextOffset ?? 0);
}

function unitAt({ segments, entries }: PartitionState, index: number): Unit | undefined {
  return index < segments.length ? segments[index] : entries[index - segments.length];
}

/** Records without a timestamp count from when they were appended, as Kafka takes their file's time. */
function newestTimestampOf({ maxTimestampMs, appendedAtMs }: Unit): TimestampMs {
  return maxTimestampMs >= 0 ? maxTimestampMs : appendedAtMs;
}

function byteLengthOf({ segments, entries }: PartitionState): number {
  let sum = 0;
  for (const segment of segments) sum += segment.byteLength;
  for (const entry of entries) sum += entry.byteLength;
  return sum;
}
