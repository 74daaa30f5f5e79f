import type { LogState, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey, TimestampMs } from "#lib/util/branded.ts";
import {
  COMPACTION_BYTES_MIN,
  COMPACTION_ENTRIES_MIN,
  COMPACTION_INPUTS_MAX,
  GATHERED_BYTES_MAX,
  GATHERED_CRUMBS_MIN,
  GATHERED_INLINE_AGE_MS,
  GATHERED_OBJECT_AGE_MS,
  GATHERED_SPAN_MS_MAX,
  JOURNAL_ENTRIES_MAX,
} from "#lib/util/limits.ts";
import { ageOf, countOldEnough, sumBytes } from "./plan-segments.ts";

// What is scattered and not yet worth a segment of its own: what is left of it, of all partitions of a journal, goes
// together into new write-ahead objects. One of these reasons has it done, and then it is done for all that is alike, so
// that a journal of any number of quiet partitions costs an object and a command an hour:
//
//   inlined     something has been inlined for 40 minutes: a record with batches in it cannot be trimmed
//   leftovers   an object is an hour old, and this journal needs less than half of it
//   crumbs      a partition has 512 small entries next to small ones, or its share of those that the journal may have in
//               all: each costs memory in every process

/** An entry this small is one of many: so many of them, and as many bytes, would have become a segment. */
const CRUMB_BYTES_MAX = COMPACTION_BYTES_MIN / COMPACTION_ENTRIES_MIN;

/** Entries of one partition, next to each other, that become one. */
export interface GatheredRun {
  readonly partition: PartitionState;
  readonly entries: readonly WriteAheadEntry[];
}

/** What goes into one object. */
export interface GatherPlan {
  readonly runs: readonly GatheredRun[];
}

/** The objects to write now; none while there is no reason. `canTake`: false for partitions that are seen to otherwise. */
export function planGathers(
  state: LogState,
  { nowMs, canTake }: { readonly nowMs: TimestampMs; readonly canTake: (partition: PartitionState) => boolean },
): readonly GatherPlan[] {
  const partitions = [...state.partitions.values()].filter((partition) => partition.entries.length > 0);
  const rules: CandidateRules = { leftovers: findLeftovers(partitions), crumbsMin: crumbsMinOf(partitions), nowMs };
  const candidates: Candidates[] = [];
  let isDue = false;
  for (const partition of partitions) {
    if (!canTake(partition)) continue;
    const found = findCandidates(partition, rules);
    isDue ||= found.isDue;
    if (found.indexes.length > 0) candidates.push(found);
  }
  return isDue ? packed(candidates) : [];
}

/** The objects of which the journal needs less than half. */
function findLeftovers(partitions: readonly PartitionState[]): ReadonlySet<ObjectKey> {
  const needed = new Map<ObjectKey, { bytes: number; readonly byteLength: number }>();
  for (const { entries } of partitions) {
    for (const { place, byteLength } of entries) {
      if (place.kind !== "object") continue;
      const object = needed.get(place.key);
      if (object === undefined) needed.set(place.key, { bytes: byteLength, byteLength: place.byteLength });
      else object.bytes += byteLength;
    }
  }
  const leftovers = new Set<ObjectKey>();
  for (const [key, { bytes, byteLength }] of needed) if (2 * bytes < byteLength) leftovers.add(key);
  return leftovers;
}

/** How many crumbs a partition may have: the fewer, the more partitions share what the journal may have. */
function crumbsMinOf(partitions: readonly PartitionState[]): number {
  const entryCount = partitions.reduce((count, { entries }) => count + entries.length, 0);
  if (entryCount <= JOURNAL_ENTRIES_MAX) return COMPACTION_ENTRIES_MIN;
  const share = Math.floor(JOURNAL_ENTRIES_MAX / partitions.length);
  return Math.min(Math.max(share, GATHERED_CRUMBS_MIN), COMPACTION_ENTRIES_MIN);
}

interface CandidateRules {
  readonly leftovers: ReadonlySet<ObjectKey>;
  readonly crumbsMin: number;
  readonly nowMs: TimestampMs;
}

interface Candidates {
  readonly partition: PartitionState;
  /** Their indexes in the partition's list, ascending. */
  readonly indexes: readonly number[];
  readonly isDue: boolean;
}

function findCandidates(partition: PartitionState, { leftovers, crumbsMin, nowMs }: CandidateRules): Candidates {
  const { entries } = partition;
  const oldEnough = countOldEnough(entries, nowMs);
  const crumbs = findCrumbs(entries, oldEnough, crumbsMin);
  const hasManyCrumbs = crumbs.size >= crumbsMin;
  const found: number[] = [];
  let isDue = hasManyCrumbs;
  for (let index = 0; index < oldEnough; index++) {
    const entry = entries[index];
    if (entry === undefined || entry.place.kind === "lost") continue;
    const ageMs = ageOf(entry, nowMs);
    const isInlined = entry.place.kind === "inline";
    const isLeftover = entry.place.kind === "object" && leftovers.has(entry.place.key);
    const dueAgeMs = isInlined ? GATHERED_INLINE_AGE_MS : GATHERED_OBJECT_AGE_MS;
    // Others may still take what is left of a young object, or what they leave may become less than half of it.
    const isOld = isInlined || ageMs >= GATHERED_OBJECT_AGE_MS / 4;
    const isScattered = (isInlined || isLeftover) && isOld;
    if (isScattered && ageMs >= dueAgeMs) isDue = true;
    if (isScattered || (hasManyCrumbs && crumbs.has(index))) found.push(index);
  }
  return { partition, indexes: found, isDue };
}

/** Small entries that stand next to small ones, by index: one alone would be no fewer for being gathered. */
function findCrumbs(entries: readonly WriteAheadEntry[], count: number, crumbsMin: number): ReadonlySet<number> {
  const crumbs = new Set<number>();
  if (count < crumbsMin) return crumbs;
  const isSmall = (index: number): boolean => {
    const entry = entries[index];
    return entry !== undefined && index < count && entry.place.kind !== "lost" && entry.byteLength < CRUMB_BYTES_MAX;
  };
  for (let index = 0; index < count; index++) {
    if (isSmall(index) && (isSmall(index - 1) || isSmall(index + 1))) crumbs.add(index);
  }
  return crumbs;
}

interface OpenObject {
  readonly runs: GatheredRun[];
  byteLength: number;
  inputCount: number;
}

/** Cuts candidates into runs, and packs runs into objects. Topics with another number of replicas lie in other stores. */
function packed(candidates: readonly Candidates[]): readonly GatherPlan[] {
  const plans: OpenObject[] = [];
  const open = new Map<number, OpenObject>();
  for (const { partition, indexes } of candidates) {
    for (const entries of runsOf(partition, indexes)) {
      const byteLength = sumBytes(entries);
      let object = open.get(partition.replicationFactor);
      const isFull =
        object === undefined ||
        object.byteLength + byteLength > GATHERED_BYTES_MAX ||
        object.inputCount + entries.length > COMPACTION_INPUTS_MAX;
      if (object === undefined || isFull) {
        object = { runs: [], byteLength: 0, inputCount: 0 };
        open.set(partition.replicationFactor, object);
        plans.push(object);
      }
      object.runs.push({ partition, entries });
      object.byteLength += byteLength;
      object.inputCount += entries.length;
    }
  }
  return plans;
}

/** Entries next to each other, no further apart in time than what may become one. */
function runsOf({ entries }: PartitionState, indexes: readonly number[]): readonly (readonly WriteAheadEntry[])[] {
  const runs: WriteAheadEntry[][] = [];
  let run: WriteAheadEntry[] = [];
  let byteLength = 0;
  for (const index of indexes) {
    const entry = defined(entries[index]);
    const first = run[0];
    const isNext =
      first !== undefined &&
      run.at(-1)?.nextOffset === entry.baseOffset &&
      entry.appendedAtMs - first.appendedAtMs <= GATHERED_SPAN_MS_MAX &&
      byteLength + entry.byteLength <= GATHERED_BYTES_MAX &&
      run.length < COMPACTION_INPUTS_MAX;
    if (!isNext) {
      run = [];
      runs.push(run);
      byteLength = 0;
    }
    run.push(entry);
    byteLength += entry.byteLength;
  }
  return runs;
}
