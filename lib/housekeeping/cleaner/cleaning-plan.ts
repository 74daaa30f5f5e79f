import type { TopicSettings } from "#lib/cluster/topic-settings.ts";
import type { CleaningPass, LogSegment, PartitionState } from "#lib/log/log-state.ts";
import { isLost } from "#lib/log/segments.ts";
import { RELATIVE_OFFSET_MAX } from "#lib/storage/segments/offset-index.ts";
import { defined } from "#lib/util/assert.ts";
import type { Offset, TimestampMs } from "#lib/util/branded.ts";
import { COMPACTION_INPUTS_MAX, SEGMENT_BYTES_MAX } from "#lib/util/limits.ts";

// What of a compacted partition is to be cleaned (Kafka's LogCleanerManager and LogToClean). Its segments are
//
//   clean  clean  clean | dirty  dirty  dirty | held back  ... | entries
//
// Groups are cleaned one after the other, so that the cleaned segments are a run at the beginning whoever stops in between.
// Now and then a pass says how far it has come, and the next one goes on from there with the same dirty segments: otherwise
// a function, which has minutes, would never come to the end of a log that takes hours.
// Entries stand where Kafka has its active segment: they are not cleaned before they are segments.

export type CleaningSettings = Pick<
  TopicSettings,
  "minCleanableDirtyRatio" | "minCompactionLagMs" | "maxCompactionLagMs" | "deleteRetentionMs" | "segmentBytes"
>;

export interface CleaningPlan {
  /** Those that are to be gone through again. */
  readonly clean: readonly LogSegment[];
  readonly dirty: readonly LogSegment[];
  /** The share of the bytes of both that are dirty; 0 if there are none. */
  readonly dirtyRatio: number;
  /** Where the pass that was begun ends, which this one ends for it; undefined: it begins anew. */
  readonly endOffset: Offset | undefined;
}

export interface PlanRules {
  readonly settings: CleaningSettings;
  readonly nowMs: TimestampMs;
  /** No age holds a segment back. */
  readonly isForced: boolean;
}

export function planCleaning(
  { segments, cleaning }: Pick<PartitionState, "segments" | "cleaning">,
  rules: PlanRules,
): CleaningPlan {
  const firstDirty = segments.findIndex((segment) => !isClean(segment));
  if (firstDirty === -1) return { clean: segments, dirty: [], dirtyRatio: 0, endOffset: undefined };
  const clean = segments.slice(0, firstDirty);
  const candidates = segments.slice(firstDirty);
  const firstHeld = candidates.findIndex((segment) => isHeldBack(segment, rules));
  const dirty = firstHeld === -1 ? candidates : candidates.slice(0, firstHeld);
  const dirtyBytes = bytesOf(dirty);
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (bytesOf(clean) + dirtyBytes);
  return rest({ clean, dirty, dirtyRatio, endOffset: undefined }, cleaning);
}

/** What is left of a pass that was begun. From a boundary of segments only: transactions must not be open there. */
function rest(plan: CleaningPlan, pass: CleaningPass | undefined): CleaningPlan {
  const { clean, dirty, dirtyRatio } = plan;
  if (pass === undefined) return plan;
  const { cleanedUntil, endOffset } = pass;
  const firstLeft = [...clean, ...dirty].findIndex(({ baseOffset }) => baseOffset === cleanedUntil);
  const isOver = !dirty.some(({ baseOffset }) => baseOffset < endOffset);
  if (firstLeft === -1 || firstLeft > clean.length || isOver) return plan;
  // Those behind its end too: there a transaction may end that began before it.
  return { clean: clean.slice(firstLeft), dirty, dirtyRatio, endOffset };
}

/** Of what is lost nothing is left to clean. */
function isClean(segment: LogSegment): boolean {
  return segment.isCleaned || isLost(segment);
}

function isHeldBack(segment: LogSegment, { settings, nowMs, isForced }: PlanRules): boolean {
  const { minCompactionLagMs } = settings;
  return !isForced && minCompactionLagMs > 0 && newestMs(segment) > nowMs - minCompactionLagMs;
}

/** The newest record's time, or that of its arrival if it has none. */
export function newestMs({ maxTimestampMs, appendedAtMs }: LogSegment): TimestampMs {
  return maxTimestampMs === -1 ? appendedAtMs : maxTimestampMs;
}

export interface GroupLimits {
  readonly segmentBytes: number;
  /** Default `COMPACTION_INPUTS_MAX`. */
  readonly inputsMax?: number;
}

/**
 * Puts segments, which follow one another, together in groups that become one segment each. What is lost has no bytes that
 * could be a part of a segment: it stays between groups.
 */
export function groupSegments(segments: readonly LogSegment[], limits: GroupLimits): readonly LogSegment[][] {
  const bytesMax = Math.min(limits.segmentBytes, SEGMENT_BYTES_MAX);
  const inputsMax = limits.inputsMax ?? COMPACTION_INPUTS_MAX;
  const groups: LogSegment[][] = [];
  let group: LogSegment[] = [];
  let byteLength = 0;
  for (const segment of segments) {
    const hasRoom =
      group.length > 0 &&
      group.length < inputsMax &&
      byteLength + segment.byteLength <= bytesMax &&
      segment.nextOffset - defined(group[0]).baseOffset <= RELATIVE_OFFSET_MAX;
    if (!hasRoom || isLost(segment)) {
      group = [];
      byteLength = 0;
      if (isLost(segment)) continue;
      groups.push(group);
    }
    group.push(segment);
    byteLength += segment.byteLength;
  }
  return groups;
}

function bytesOf(segments: readonly LogSegment[]): number {
  return segments.reduce((sum, segment) => sum + (isLost(segment) ? 0 : segment.byteLength), 0);
}
