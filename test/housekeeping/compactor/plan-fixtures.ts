import type { EntryPlace, LogSegment, LogState, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { initialLogState } from "#lib/log/log-state-machine.ts";
import { objectKey } from "#lib/util/branded.ts";
import { flushIdOf, TOPIC } from "../../log/log-fixtures.ts";

export const NOW_MS = 1_800_000_000_000;

export function objectOf(n: number, byteLength: number): EntryPlace {
  return { kind: "object", key: objectKey(`wal/${n}`), flushId: flushIdOf(n), byteLength, copies: [0] };
}

export interface EntryFields {
  readonly byteLength?: number;
  readonly ageMs?: number;
  readonly maxTimestampMs?: number;
  readonly offsetCount?: number;
  readonly place?: EntryPlace;
}

/** Entries of one partition, each ten offsets long and in an object of its own unless told otherwise. */
export function entriesOf(...all: readonly EntryFields[]): readonly WriteAheadEntry[] {
  let baseOffset = 0;
  return all.map(({ byteLength = 100, ageMs = 60_000, maxTimestampMs = -1, offsetCount = 10, place }, index) => {
    const nextOffset = baseOffset + offsetCount;
    const entry: WriteAheadEntry = {
      baseOffset,
      nextOffset,
      place: place ?? objectOf(index + 1, byteLength),
      position: 0,
      byteLength,
      maxTimestampMs,
      appendedAtMs: NOW_MS - ageMs,
      batches: new Uint8Array(0),
    };
    baseOffset = nextOffset;
    return entry;
  });
}

export interface SegmentFields {
  readonly byteLength?: number;
  readonly ageMs?: number;
  readonly maxTimestampMs?: number;
  readonly isCleaned?: boolean;
}

export function segmentsOf(...all: readonly SegmentFields[]): readonly LogSegment[] {
  return all.map(({ byteLength = 100, ageMs = 60_000, maxTimestampMs = -1, isCleaned = false }, index) => ({
    baseOffset: index * 10,
    nextOffset: index * 10 + 10,
    directory: `segments/0000000001/${index}/rivers-0`,
    byteLength,
    indexByteLength: 0,
    timeIndexByteLength: 12,
    txnIndexByteLength: 0,
    maxTimestampMs,
    appendedAtMs: NOW_MS - ageMs,
    isCleaned,
    copies: [0],
  }));
}

export function partitionOf(
  fields: {
    readonly partitionIndex?: number;
    readonly replicationFactor?: number;
    readonly segments?: readonly LogSegment[];
    readonly entries?: readonly WriteAheadEntry[];
  } = {},
): PartitionState {
  const { partitionIndex = 0, replicationFactor = 1, segments = [], entries = [] } = fields;
  return {
    topicId: TOPIC,
    partitionIndex,
    replicationFactor,
    minInsyncReplicas: 1,
    openedSeq: 1,
    logStartOffset: 0,
    logEndOffset: entries.at(-1)?.nextOffset ?? segments.at(-1)?.nextOffset ?? 0,
    maxTimestampMs: -1,
    segments: [...segments],
    entries: [...entries],
    producers: new Map(),
  };
}

export function stateOf(...partitions: readonly PartitionState[]): LogState {
  const state = initialLogState();
  for (const partition of partitions) {
    state.partitions.set(partitionKey(partition.topicId, partition.partitionIndex), partition);
  }
  return state;
}
