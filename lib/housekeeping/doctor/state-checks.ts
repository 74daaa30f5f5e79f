import type { ClusterState } from "#lib/cluster/cluster-state.ts";
import type { LogSegment, LogState, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { isLost, segmentKey } from "#lib/log/segments.ts";
import { parseSegmentKey } from "#lib/storage/object-keys.ts";
import { OFFSET_INDEX_ENTRY_BYTES } from "#lib/storage/segments/offset-index.ts";
import { TIME_INDEX_ENTRY_BYTES } from "#lib/storage/segments/time-index.ts";
import { ABORTED_TRANSACTION_BYTES } from "#lib/storage/segments/transaction-index.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { DecodeError } from "#lib/util/byte-reader.ts";
import type { Finding } from "./finding.ts";
import { entryBatches } from "./state-entries.ts";

// Invariants of folded states, as functions of the state alone, so that a simulation may ask them too.

const REPORT_BUG = "this state should not be: keep a copy of the data directory and report a bug";

/** Offsets without gap and overlap from the log start to the log end. */
export function checkNoGaps(partition: PartitionState): readonly string[] {
  const { segments, entries, logStartOffset, logEndOffset } = partition;
  const problems: string[] = [];
  if (logStartOffset > logEndOffset) problems.push(`log start ${logStartOffset} lies beyond log end ${logEndOffset}`);
  let next: number | undefined;
  const follow = (name: string, { baseOffset, nextOffset }: WriteAheadEntry | LogSegment): void => {
    if (next === undefined && baseOffset > logStartOffset) {
      problems.push(`the first ${name} begins at offset ${baseOffset}, the log at ${logStartOffset}`);
    }
    if (next !== undefined && baseOffset !== next) {
      const what = baseOffset > next ? "a gap" : "an overlap";
      problems.push(`${what}: the ${name} at offset ${baseOffset} comes behind what ends at ${next}`);
    }
    if (nextOffset <= logStartOffset) {
      problems.push(`the ${name} at offset ${baseOffset} ends at ${nextOffset}, the log begins at ${logStartOffset}`);
    }
    next = nextOffset;
  };
  for (const segment of segments) {
    follow("segment", segment);
    problems.push(...checkSegmentFacts(segment, partition.partitionIndex));
  }
  for (const entry of entries) {
    follow("entry", entry);
    problems.push(...checkEntrySizes(entry));
  }
  const end = next ?? logStartOffset;
  if (end !== logEndOffset) problems.push(`the records end at offset ${end}, the log at ${logEndOffset}`);
  return problems;
}

/** What a state, or a command that brings it, says of a segment and cannot be so. */
export function checkSegmentFacts(segment: LogSegment, partitionIndex: number): readonly string[] {
  const { baseOffset, nextOffset, byteLength, indexByteLength, timeIndexByteLength, txnIndexByteLength } = segment;
  const name = `the segment at offset ${baseOffset}`;
  const problems: string[] = [];
  if (nextOffset <= baseOffset) problems.push(`${name} ends at ${nextOffset}`);
  if (isLost(segment)) return problems;
  const key = segmentKey(segment, "log");
  if (parseSegmentKey(key)?.partitionIndex !== partitionIndex) problems.push(`${name} is ${key}, no key of its own`);
  if (byteLength === 0) problems.push(`${name} is empty`);
  const lengths: readonly (readonly [string, number, number])[] = [
    ["index", indexByteLength, OFFSET_INDEX_ENTRY_BYTES],
    ["timeindex", timeIndexByteLength, TIME_INDEX_ENTRY_BYTES],
    ["txnindex", txnIndexByteLength, ABORTED_TRANSACTION_BYTES],
  ];
  for (const [suffix, bytes, entryBytes] of lengths) {
    if (bytes % entryBytes !== 0) problems.push(`${name} has a .${suffix} of ${bytes} bytes, entries of ${entryBytes}`);
  }
  return problems;
}

function checkEntrySizes(entry: WriteAheadEntry): readonly string[] {
  try {
    const sizes = entryBatches(entry);
    const bytes = sizes.reduce((sum, size) => sum + size.byteLength, 0);
    const offsets = sizes.reduce((sum, size) => sum + size.offsetCount, 0);
    const name = `the entry at offset ${entry.baseOffset}`;
    const problems: string[] = [];
    if (bytes !== entry.byteLength) problems.push(`${name} has ${entry.byteLength} bytes, its batches ${bytes}`);
    if (offsets !== entry.nextOffset - entry.baseOffset) {
      problems.push(`${name} ends at ${entry.nextOffset}, its batches at ${entry.baseOffset + offsets}`);
    }
    return problems;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return [`the entry at offset ${entry.baseOffset}: ${error.message}`];
  }
}

/** What people call a topic: its name where the cluster journal knows it, else its id. */
export type TopicName = (topicId: TopicId) => string;

/** Every invariant of one log journal's state that it alone can tell. */
export function checkLogState(journalName: string, state: LogState, topicName: TopicName): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [key, partition] of state.partitions) {
    const where = `${journalName} partition ${topicName(partition.topicId)}-${partition.partitionIndex}`;
    if (key !== partitionKey(partition.topicId, partition.partitionIndex)) {
      findings.push({ kind: "partition-key", where, what: `it is filed as ${key}`, remedy: REPORT_BUG });
    }
    for (const what of checkNoGaps(partition)) {
      findings.push({ kind: "offsets", where, what, remedy: REPORT_BUG });
    }
  }
  if (state.replicas.length > 0 && state.isr.length === 0) {
    findings.push({ kind: "isr", where: journalName, what: "no store is in sync", remedy: REPORT_BUG });
  }
  for (const store of state.isr) {
    if (state.replicas.includes(store)) continue;
    const what = `store ${store} is in sync and not a replica`;
    findings.push({ kind: "isr", where: journalName, what, remedy: REPORT_BUG });
  }
  return findings;
}

/**
 * Partitions that the cluster journal does not know, or places elsewhere. `clusters` are the states before and after
 * the log journals were read: while a broker runs, a topic may come or go meanwhile, and either state excuses it.
 */
export function checkPlacement(
  journalNumber: number,
  state: LogState,
  clusters: readonly ClusterState[],
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { topicId, partitionIndex } of state.partitions.values()) {
    const topics = clusters.map((cluster) => cluster.topics.get(topicId)).filter((topic) => topic !== undefined);
    const where = `log-${journalNumber} partition ${topics[0]?.name ?? topicId}-${partitionIndex}`;
    if (topics.length === 0) {
      const remedy = "its records cannot be reached; report a bug, a topic's name is freed after its partitions only";
      findings.push({ kind: "partition-orphaned", where, what: "the cluster journal has no such topic", remedy });
      continue;
    }
    const fits = topics.some(
      (topic) =>
        partitionIndex < topic.partitionCount &&
        (topic.baseJournal + partitionIndex) % topic.journalCount === journalNumber,
    );
    if (fits) continue;
    const what = `topic ${topics[0]?.name} has no such partition in this journal`;
    findings.push({ kind: "partition-misplaced", where, what, remedy: REPORT_BUG });
  }
  return findings;
}
