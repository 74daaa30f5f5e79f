import { copiesAmong, copiesToReplace } from "#lib/log/commit-rule.ts";
import { findByOffset } from "#lib/log/find-by-offset.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { type LogSegment, type LogState, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { isLost, segmentInput, segmentKey } from "#lib/log/segments.ts";
import { uploadEpochOf } from "#lib/storage/object-keys.ts";
import type { RangeReader } from "#lib/storage/range-reader.ts";
import type { SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import {
  type AbortedTransaction,
  decodeTransactionIndex,
  type OpenTransactions,
} from "#lib/storage/segments/transaction-index.ts";
import { defined } from "#lib/util/assert.ts";
import { Borrowed } from "#lib/util/borrowed.ts";
import { LogError } from "#lib/util/errors.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { proposeReplace, proposeWork } from "../workers/propose.ts";
import type { SegmentWriter } from "../workers/segment-writer.ts";
import { BatchCleaner } from "./batch-cleaner.ts";
import { buildOffsetMap } from "./build-offset-map.ts";
import { CleanedTransactions } from "./cleaned-transactions.ts";
import { type CleaningPlan, type CleaningSettings, groupSegments } from "./cleaning-plan.ts";
import { type CleanedGroup, cleanGroup } from "./group-cleaner.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { Turns } from "./turns.ts";

/** One batch has more keys than the cleaner can know. */
export class TooManyKeysError extends LogError {
  override readonly name = "TooManyKeysError";
  override readonly kind = "invalid";
}

export interface PartitionCleanerPorts {
  readonly objects: RangeReader;
  readonly segments: SegmentWriter;
  /** Empty, and emptied by whoever passes it on. */
  readonly map: OffsetMap;
  readonly turns: Turns;
  readonly limits: PassLimits;
}

export interface PassLimits {
  /** Dirty bytes that one pass reads for their keys. */
  readonly dirtyBytesMax: number;
  /** How much is cleaned before the pass says how far it has come. */
  readonly checkpointBytes: number;
}

export interface CleaningTask {
  readonly journal: LogJournal;
  readonly partition: Pick<PartitionState, "topicId" | "partitionIndex">;
  readonly topic: string;
  readonly settings: CleaningSettings;
  readonly plan: CleaningPlan;
}

export interface CleaningResult {
  /** Segments that stand in the place of others now. */
  readonly segmentCount: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

const NOTHING: CleaningResult = { segmentCount: 0, bytesBefore: 0, bytesAfter: 0 };

/**
 * Cleans one partition, once: reads the dirty segments for the last offset of each key, then all segments up to there,
 * group by group, and puts one segment in the place of each group. Whoever stops it leaves a log with the same last record
 * of each key, and the next one goes on from about there. Fails as `readSegment`, `readRecords`, `SegmentWriter.write` and `proposeReplace` do, and with
 * `TooManyKeysError`.
 */
export class PartitionCleaner {
  readonly #ports: PartitionCleanerPorts;
  readonly #task: CleaningTask;
  readonly #signal: AbortSignal;
  #segmentCount = 0;
  #bytesBefore = 0;
  #bytesAfter = 0;
  #bytesSinceCheckpoint = 0;

  constructor(ports: PartitionCleanerPorts, task: CleaningTask, signal: AbortSignal) {
    this.#ports = ports;
    this.#task = task;
    this.#signal = signal;
  }

  async run(): Promise<CleaningResult> {
    const { journal, plan, settings } = this.#task;
    const { objects, map, turns, limits } = this.#ports;
    const signal = this.#signal;
    const segments = [...plan.clean, ...plan.dirty];
    const nowMs = journal.nowMs();
    const aborted = await this.#readAborted(segments);
    const until = { endOffset: plan.endOffset, bytesMax: limits.dirtyBytesMax };
    const endOffset = await buildOffsetMap(map, { dirty: plan.dirty, until }, { objects, aborted, turns, signal });
    if (endOffset === defined(plan.dirty[0]).baseOffset) {
      if (map.size < map.keysMax) return NOTHING;
      throw new TooManyKeysError(`the batch at offset ${endOffset} has more than ${map.keysMax} keys`);
    }
    const transactions = new CleanedTransactions(aborted);
    const { deleteRetentionMs } = settings;
    const batches = new BatchCleaner({ map, nowMs, deleteRetentionMs, transactions });
    const touched = segments.filter(({ baseOffset }) => baseOffset < endOffset);
    let openTransactions: OpenTransactions | undefined = new Map();
    for (const group of groupSegments(touched, settings)) {
      openTransactions = await this.#cleanGroup({ group, endOffset, openTransactions }, batches);
      if (openTransactions === undefined) break;
      await this.#noteProgress(group, { endOffset, openTransactions });
    }
    return { segmentCount: this.#segmentCount, bytesBefore: this.#bytesBefore, bytesAfter: this.#bytesAfter };
  }

  /** Nothing is lost by not saying it, so nobody minds whether it is taken. */
  async #noteProgress(
    group: readonly LogSegment[],
    { endOffset, openTransactions }: Pick<Parameters<typeof cleanGroup>[0], "endOffset" | "openTransactions">,
  ): Promise<void> {
    this.#bytesSinceCheckpoint += group.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (this.#bytesSinceCheckpoint < this.#ports.limits.checkpointBytes) return;
    const cleanedUntil = defined(group.at(-1)).nextOffset;
    if (cleanedUntil >= endOffset || openTransactions.size > 0) return;
    const { journal, partition } = this.#task;
    const { topicId, partitionIndex } = partition;
    const pass = { cleanedUntil, endOffset };
    await proposeWork(journal, { kind: "note-cleaning", topicId, partitionIndex, pass }, this.#signal);
    this.#bytesSinceCheckpoint = 0;
  }

  async #readAborted(segments: readonly LogSegment[]): Promise<readonly AbortedTransaction[]> {
    const aborted: AbortedTransaction[] = [];
    for (const segment of segments) {
      const { baseOffset, txnIndexByteLength: byteLength, copies } = segment;
      if (byteLength === 0 || isLost(segment)) continue;
      const index = { key: segmentKey(segment, "txnindex"), byteLength, copies };
      const range = { position: 0, byteLength };
      const borrowed = new Borrowed();
      const chunks = await this.#ports.objects.read(index, range, { signal: this.#signal, borrowed });
      aborted.push(...decodeTransactionIndex(joinChunks(chunks), baseOffset));
      borrowed.release();
    }
    return aborted;
  }

  /** The transactions that are open behind the group; undefined if somebody else was first. */
  async #cleanGroup(
    input: Parameters<typeof cleanGroup>[0],
    batches: BatchCleaner,
  ): Promise<OpenTransactions | undefined> {
    const { journal } = this.#task;
    const { group } = input;
    if (!this.#isThere(group)) return undefined;
    const borrowed = new Borrowed();
    try {
      const { objects, turns } = this.#ports;
      const result = await cleanGroup(input, batches, { objects, borrowed, turns, signal: this.#signal });
      const { openTransactions } = result;
      if (result.isUnchanged && group.every(({ isCleaned }) => isCleaned) && group.length === 1) {
        return openTransactions;
      }
      const partition = this.#partition();
      if (partition === undefined) return undefined;
      const segments = await this.#outputs(group, result, { state: journal.state, settings: partition });
      const { topicId, partitionIndex } = partition;
      const inputs = group.map(segmentInput);
      const command = { kind: "replace", topicId, partitionIndex, inputs, segments } as const;
      if (!(await proposeReplace(journal, command, this.#signal))) return undefined;
      this.#segmentCount += segments.length;
      this.#bytesBefore += group.reduce((sum, { byteLength }) => sum + byteLength, 0);
      this.#bytesAfter += segments.reduce((sum, { byteLength }) => sum + byteLength, 0);
      return openTransactions;
    } finally {
      borrowed.release();
    }
  }

  async #outputs(
    group: readonly LogSegment[],
    { cleaned, rest, isUnchanged }: CleanedGroup,
    placement: { readonly state: LogState; readonly settings: PartitionState },
  ): Promise<readonly LogSegment[]> {
    const [only] = group;
    if (isUnchanged && group.length === 1 && only !== undefined && canStay(only, placement)) {
      return [{ ...only, isCleaned: true }];
    }
    const { topic, partition } = this.#task;
    const { partitionIndex } = partition;
    const appendedAtMs = group.reduce((newest, segment) => Math.max(newest, segment.appendedAtMs), 0);
    const write = (files: SegmentFiles, isCleaned: boolean) => {
      const segment = { files, topic, partitionIndex, appendedAtMs, isCleaned };
      return this.#ports.segments.write(segment, placement, this.#signal);
    };
    const first = await write(cleaned, true);
    return rest === undefined ? [first] : [first, await write(rest, false)];
  }

  #partition(): PartitionState | undefined {
    const { journal, partition } = this.#task;
    return journal.state.partitions.get(partitionKey(partition.topicId, partition.partitionIndex));
  }

  /** Whether the state still has the segments as they were planned; the fold says so again in the end. */
  #isThere(group: readonly LogSegment[]): boolean {
    const segments = this.#partition()?.segments ?? [];
    const first = findByOffset(segments, defined(group[0]).baseOffset);
    return group.every(({ directory }, at) => segments[first + at]?.directory === directory);
  }
}

/** Whether a command may name the files as they are, in the place of new ones that would be the same. */
function canStay(
  segment: LogSegment,
  { state, settings }: { readonly state: LogState; readonly settings: PartitionState },
): boolean {
  const { copies } = segment;
  const epoch = uploadEpochOf(segmentKey(segment, "log"));
  if (epoch === undefined || epoch <= state.retireFloor) return false;
  const copyCount = copiesAmong(copies, state, settings);
  return copyCount >= copiesToReplace(state, settings);
}
