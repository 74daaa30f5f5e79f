import { type GatherPlan, planGathers } from "#lib/housekeeping/compactor/plan-gather.ts";
import { dueEntries, dueSegments, newestMs, sumBytes } from "#lib/housekeeping/compactor/plan-segments.ts";
import { encodeBatchSizes } from "#lib/log/batch-sizes.ts";
import type { LogCommand } from "#lib/log/log-command.ts";
import type { EntryPlace, LogSegment, LogState, PartitionState, WriteAheadEntry } from "#lib/log/log-state.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { initialLogState, logStateMachine } from "#lib/log/log-state-machine.ts";
import { entryInput, segmentInput } from "#lib/log/segments.ts";
import { objectKey } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import {
  BLOCK_RUN_BYTES_MAX,
  COMPACTION_READ_BYTES_MAX,
  INLINE_PAGE_RECORDS_MAX,
  KIB,
  SEGMENT_BYTES_MAX,
  WHOLE_OBJECT_BYTES_MAX,
} from "#lib/util/limits.ts";
import { flushIdOf, TOPIC } from "../../log/log-fixtures.ts";
import { gatherOf, segmentOf } from "../../log/segment-commands.ts";
import { DAY_MS, DEFAULTS } from "./compactor-world.ts";

/** How a journal is written to: each of its partitions gets an entry with every `flushEveryMs`. */
export interface Load {
  readonly partitions: number;
  readonly flushEveryMs: number;
  readonly entryBytes: number;
  /** Each partition's producer flushes by itself, and its flush is inlined. Else one object has all partitions' entries. */
  readonly isInlined: boolean;
  readonly copies: number;
}

/** Requests of the compactor, of all partitions together. */
export interface Requests {
  puts: number;
  gets: number;
  /** KiB of commands: what DynamoDB charges for. */
  journalWrites: number;
  journalReads: number;
  segments: number;
}

const SEGMENT_FILES = 3;
/** The compactor comes more often; what is due is seen to a little later here. */
const STEP_MS = 60_000;

/** Lets a journal be written to and compacted by the planner's own rules, without a byte of records. */
export class CompactionModel {
  readonly state: LogState = initialLogState();
  readonly counts: Requests = { puts: 0, gets: 0, journalWrites: 0, journalReads: 0, segments: 0 };
  readonly #load: Load;
  #nowMs = DAY_MS * 20_000;
  #nextFlushMs: number;
  #flushCount = 0;
  #seq = 0;
  /** Least recently used first. */
  readonly #cached = new Set<EntryPlace>();
  #cachedBytes = 0;

  constructor(load: Load) {
    this.#load = load;
    this.#nextFlushMs = this.#nowMs + load.flushEveryMs;
    for (let partitionIndex = 0; partitionIndex < load.partitions; partitionIndex++) {
      this.state.partitions.set(partitionKey(TOPIC, partitionIndex), newPartition(partitionIndex));
    }
  }

  /** Lets so much time pass; answers its requests. */
  pass(ms: number): Requests {
    const before = { ...this.counts };
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; this.#nowMs += STEP_MS) {
      const { flushEveryMs } = this.#load;
      for (; this.#nextFlushMs <= this.#nowMs; this.#nextFlushMs += flushEveryMs) this.#flush(this.#nextFlushMs);
      this.#compact();
    }
    const { puts, gets, journalWrites, journalReads, segments } = this.counts;
    return {
      puts: puts - before.puts,
      gets: gets - before.gets,
      journalWrites: journalWrites - before.journalWrites,
      journalReads: journalReads - before.journalReads,
      segments: segments - before.segments,
    };
  }

  #flush(appendedAtMs: number): void {
    const { partitions, entryBytes, isInlined } = this.#load;
    const shared = isInlined ? undefined : objectOf(++this.#flushCount, partitions * entryBytes);
    let position = 0;
    for (const partition of this.state.partitions.values()) {
      const place: EntryPlace = shared ?? { kind: "inline", seq: ++this.#seq, indexInRecord: 0 };
      const baseOffset = partition.logEndOffset;
      const batches = encodeBatchSizes([{ byteLength: entryBytes, offsetCount: 1 }]);
      const times = { maxTimestampMs: appendedAtMs, appendedAtMs };
      partition.logEndOffset++;
      partition.entries.push({
        baseOffset,
        nextOffset: baseOffset + 1,
        place,
        position,
        byteLength: entryBytes,
        ...times,
        batches,
      });
      position += shared === undefined ? 0 : entryBytes;
    }
  }

  #compact(): void {
    for (;;) {
      const read: WriteAheadEntry[] = [];
      let bytes = 0;
      for (const partition of this.state.partitions.values()) {
        this.#retain(partition);
        const entries = dueEntries(partition, DEFAULTS, { nowMs: this.#nowMs, isForced: false });
        if (entries === undefined || (read.length > 0 && bytes + sumBytes(entries) > SEGMENT_BYTES_MAX)) continue;
        bytes += sumBytes(entries);
        read.push(...entries);
        this.#makeSegment(partition, entries);
      }
      this.#countReads(read);
      if (read.length === 0) break;
    }
    for (const partition of this.state.partitions.values()) this.#merge(partition);
    const canTake = (partition: PartitionState): boolean =>
      dueEntries(partition, DEFAULTS, { nowMs: this.#nowMs, isForced: false }) === undefined;
    for (const plan of planGathers(this.state, { nowMs: this.#nowMs, canTake })) this.#gather(plan);
  }

  #makeSegment(partition: PartitionState, entries: readonly WriteAheadEntry[]): void {
    const segment = joined(entries, partition.segments.length);
    partition.entries.splice(0, entries.length);
    partition.segments.push(segment);
    this.#replaced(partition, { inputs: entries.map(entryInput), segments: [segment] });
  }

  #merge(partition: PartitionState): void {
    const segments = dueSegments(partition, DEFAULTS, { isForced: false });
    if (segments === undefined) return;
    const first = partition.segments.findIndex(({ baseOffset }) => baseOffset === segments[0]?.baseOffset);
    const segment = joined(segments, first);
    partition.segments.splice(first, segments.length, segment);
    for (const { byteLength } of segments) this.counts.gets += Math.ceil(byteLength / BLOCK_RUN_BYTES_MAX);
    this.#replaced(partition, { inputs: segments.map(segmentInput), segments: [segment] });
  }

  #gather({ runs }: GatherPlan): void {
    const place = objectOf(++this.#flushCount, sumBytes(runs.flatMap(({ entries }) => entries)));
    const parts = runs.map(({ partition, entries }) => {
      const { partitionIndex } = partition;
      return { topicId: TOPIC, partitionIndex, inputs: entries.map(entryInput), position: 28 };
    });
    this.#countReads(runs.flatMap(({ entries }) => entries));
    for (const { partition, entries } of runs) {
      const at = partition.entries.findIndex(({ baseOffset }) => baseOffset === entries[0]?.baseOffset);
      const { baseOffset, nextOffset, byteLength, appendedAtMs, maxTimestampMs } = joined(entries, 0);
      const batches = new Uint8Array(0);
      const entry = { baseOffset, nextOffset, place, position: 28, byteLength, appendedAtMs, maxTimestampMs, batches };
      partition.entries.splice(at, entries.length, entry);
    }
    this.counts.puts += this.#load.copies;
    this.counts.journalWrites += sizeOf(gatherOf(1, { parts }));
  }

  #replaced(partition: PartitionState, command: Pick<LogCommand & { kind: "replace" }, "inputs" | "segments">): void {
    const { topicId, partitionIndex } = partition;
    this.counts.segments++;
    this.counts.puts += SEGMENT_FILES * this.#load.copies;
    this.counts.journalWrites += sizeOf({ kind: "replace", topicId, partitionIndex, ...command });
  }

  /** As if nothing were in the tail cache. Small objects are read whole, and stay in the workers' block cache for a while. */
  #countReads(entries: readonly WriteAheadEntry[]): void {
    const objects = new Map<EntryPlace, number>();
    let inlined = 0;
    for (const { place, byteLength } of entries) {
      if (place.kind === "inline") inlined++;
      else objects.set(place, (objects.get(place) ?? 0) + byteLength);
    }
    for (const [place, bytes] of objects) {
      const isCached = this.#cached.delete(place);
      if (!isCached) this.counts.gets += Math.ceil(bytes / BLOCK_RUN_BYTES_MAX);
      if (place.kind !== "object" || place.byteLength > WHOLE_OBJECT_BYTES_MAX) continue;
      this.#cached.add(place);
      if (!isCached) this.#cachedBytes += place.byteLength;
    }
    for (const place of this.#cached) {
      if (this.#cachedBytes <= COMPACTION_READ_BYTES_MAX) break;
      this.#cached.delete(place);
      this.#cachedBytes -= place.kind === "object" ? place.byteLength : 0;
    }
    this.counts.journalReads += Math.ceil(inlined / INLINE_PAGE_RECORDS_MAX);
  }

  #retain({ segments }: PartitionState): void {
    while (segments[0] !== undefined && segments[0].maxTimestampMs < this.#nowMs - DEFAULTS.retentionMs)
      segments.shift();
  }
}

function newPartition(partitionIndex: number): PartitionState {
  return {
    topicId: TOPIC,
    partitionIndex,
    replicationFactor: 1,
    minInsyncReplicas: 1,
    openedSeq: 1,
    logStartOffset: 0,
    logEndOffset: 0,
    maxTimestampMs: -1,
    segments: [],
    entries: [],
    producers: new Map(),
  };
}

function objectOf(n: number, byteLength: number): EntryPlace {
  return { kind: "object", key: objectKey(`wal/${n}`), flushId: flushIdOf(n), byteLength, copies: [0] };
}

function joined(runs: readonly (WriteAheadEntry | LogSegment)[], n: number): LogSegment {
  const [from, to] = [runs[0]?.baseOffset ?? 0, runs.at(-1)?.nextOffset ?? 0];
  const maxTimestampMs = Math.max(...runs.map((run) => run.maxTimestampMs));
  const fields = { byteLength: sumBytes(runs), maxTimestampMs, appendedAtMs: newestMs(runs) };
  return segmentOf(from, to, { ...fields, directory: `${segmentOf(0, 1).directory}-${n}` });
}

/** In KiB, with what a record has around it. */
function sizeOf(command: LogCommand): number {
  const writer = new ByteWriter();
  logStateMachine.encodeCommand(command, writer);
  return Math.ceil((writer.length + 60) / KIB);
}
