import { canReplace } from "#lib/log/commit-rule.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { abortable } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { CLEANED_BYTES, SEGMENT_BYTES_WRITTEN, SEGMENTS_WRITTEN } from "#lib/runtime/metrics.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import { LogError } from "#lib/util/errors.ts";
import { CLEANER_CHECKPOINT_BYTES, CLEANER_DIRTY_BYTES_MAX, CLEANER_KEYS_MAX } from "#lib/util/limits.ts";
import { workOnJournals } from "../workers/journal-work.ts";
import { PartitionRetries } from "../workers/partition-retries.ts";
import { SegmentWriter } from "../workers/segment-writer.ts";
import type { Worker, WorkerRun } from "../workers/worker.ts";
import type { WorkerParts } from "../workers/worker-parts.ts";
import { planCleaning } from "./cleaning-plan.ts";
import { CompactionLag } from "./compaction-lag.ts";
import { OffsetMap } from "./offset-map.ts";
import { type CleaningResult, type CleaningTask, PartitionCleaner, type PassLimits } from "./partition-cleaner.ts";
import { Turns } from "./turns.ts";

export interface CleanerParts extends Omit<WorkerParts, "entries" | "segments"> {
  readonly telemetry?: Telemetry | undefined;
  /** Default `CLEANER_KEYS_MAX`. */
  readonly keysMax?: number;
  readonly limits?: Partial<PassLimits>;
}

/**
 * Keeps the last record of each key in the segments of topics with `cleanup.policy` compact, as Kafka's log cleaner does:
 * the filthiest partition first, one at a time. By hand (`isForced`) the dirty ratio and both compaction lags do not count;
 * `delete.retention.ms` always does, for it is what slow readers were promised.
 */
export class Cleaner implements Worker {
  readonly name = "cleaner";
  readonly #parts: CleanerParts;
  readonly #segments: SegmentWriter;
  readonly #map: OffsetMap;
  readonly #lag: CompactionLag;
  readonly #retries: PartitionRetries;
  readonly #turns: Turns;
  readonly #limits: PassLimits;
  #lastRun: Promise<unknown> = Promise.resolve();

  constructor(parts: CleanerParts) {
    this.#parts = parts;
    this.#segments = new SegmentWriter(parts);
    this.#map = new OffsetMap(parts.keysMax ?? CLEANER_KEYS_MAX);
    this.#lag = new CompactionLag(parts.objects);
    this.#retries = new PartitionRetries(parts.clock);
    this.#turns = new Turns(parts.clock);
    this.#limits = {
      dirtyBytesMax: CLEANER_DIRTY_BYTES_MAX,
      checkpointBytes: CLEANER_CHECKPOINT_BYTES,
      ...parts.limits,
    };
  }

  /** Answers how many segments it has put in the place of others. Runs wait for one another: they share the map. */
  async runOnce(run: WorkerRun): Promise<number> {
    const own = this.#lastRun.then(() => this.#run(run));
    this.#lastRun = own.catch(() => undefined);
    return abortable(own, run.signal);
  }

  async #run({ isForced, signal }: WorkerRun): Promise<number> {
    signal.throwIfAborted();
    const tasks: CleaningTask[] = [];
    const work = async (journal: LogJournal, own: AbortSignal) => {
      for (const partition of [...journal.state.partitions.values()]) {
        const task = await this.#taskOf(journal, partition, { isForced, signal: own }).catch((error: unknown) => {
          own.throwIfAborted();
          const topic = this.#parts.cluster.topic(partition.topicId)?.name ?? partition.topicId;
          this.#reportFailure({ topic, partition }, error);
        });
        if (task !== undefined) tasks.push(task);
      }
      return { changed: 0, isWhole: true };
    };
    await workOnJournals(this.#parts, { failure: "a journal's logs are not cleaned", work }, signal);
    tasks.sort((a, b) => b.plan.dirtyRatio - a.plan.dirtyRatio);
    let segmentCount = 0;
    for (const task of tasks) segmentCount += await this.#clean(task, signal);
    return segmentCount;
  }

  /** What is to be done in the partition now; undefined: nothing. */
  async #taskOf(
    journal: LogJournal,
    partition: PartitionState,
    { isForced, signal }: WorkerRun,
  ): Promise<CleaningTask | undefined> {
    const { cluster } = this.#parts;
    const topic = cluster.topic(partition.topicId);
    if (topic?.settings.isCompacted !== true || partition.segments.length === 0) return undefined;
    const { settings, name } = topic;
    const nowMs = journal.nowMs();
    const plan = planCleaning(partition, { settings, nowMs, isForced });
    if (plan.dirty.length === 0) return undefined;
    if (!canReplace(journal.state, partition)) return undefined;
    if (!isForced && this.#retries.isResting(nameOf(partition))) return undefined;
    const isDue =
      isForced ||
      plan.endOffset !== undefined ||
      plan.dirtyRatio > settings.minCleanableDirtyRatio ||
      (await this.#lag.isOver(plan.dirty, nowMs - settings.maxCompactionLagMs, signal));
    const { topicId, partitionIndex } = partition;
    return isDue ? { journal, partition: { topicId, partitionIndex }, topic: name, settings, plan } : undefined;
  }

  async #clean(task: CleaningTask, signal: AbortSignal): Promise<number> {
    const { objects } = this.#parts;
    this.#map.clear();
    try {
      const result = await new PartitionCleaner(
        { objects, segments: this.#segments, map: this.#map, turns: this.#turns, limits: this.#limits },
        task,
        signal,
      ).run();
      this.#retries.noteSuccess(nameOf(task.partition));
      this.#report(task, result);
      return result.segmentCount;
    } catch (error) {
      signal.throwIfAborted();
      this.#reportFailure(task, error);
      return 0;
    } finally {
      this.#map.clear();
    }
  }

  #report({ topic, partition }: CleaningTask, { segmentCount, bytesBefore, bytesAfter }: CleaningResult): void {
    if (segmentCount === 0) return;
    const { logger, telemetry } = this.#parts;
    const { partitionIndex } = partition;
    logger.info("a log is cleaned", { topic, partition: partitionIndex, segmentCount, bytesBefore, bytesAfter });
    telemetry?.count(CLEANED_BYTES, Math.max(0, bytesBefore - bytesAfter));
    telemetry?.count(SEGMENTS_WRITTEN, segmentCount, { worker: this.name });
    telemetry?.count(SEGMENT_BYTES_WRITTEN, bytesAfter, { worker: this.name });
  }

  #reportFailure({ topic, partition }: Pick<CleaningTask, "topic" | "partition">, error: unknown): void {
    const fields = { topic, partition: partition.partitionIndex, error: describeError(error) };
    // What did not answer may answer the next time, and what was missing may have been replaced. What is damaged stays so
    // until somebody repairs a copy, or gives it up.
    const passes = error instanceof LogError && (error.kind === "unavailable" || error.kind === "conflict");
    this.#retries.noteFailure(nameOf(partition), { passes });
    this.#parts.logger.warn("a log is not cleaned", fields);
  }
}

function nameOf({ topicId, partitionIndex }: Pick<PartitionState, "topicId" | "partitionIndex">): string {
  return partitionKey(topicId, partitionIndex);
}
