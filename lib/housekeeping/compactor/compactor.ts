import { canReplace } from "#lib/log/commit-rule.ts";
import { MissingEntryError, refersTo } from "#lib/log/entry-reader.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { MissingSegmentError, namesSegment } from "#lib/log/segment-reader.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import type { JournalId, JournalSeq, Offset } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import {
  COMPACTION_LOOKS_PER_TURN,
  COMPACTION_ROUNDS_MAX,
  COMPACTION_SEGMENTS_TOGETHER_MAX,
  COMPOSED_ROUNDS_MAX,
  COMPOSED_TOGETHER_MAX,
  GATHER_PERIOD_MS,
  SEGMENT_BYTES_MAX,
  WORKER_RETRY_MS_MIN,
  WORKER_VIEW_MS_MAX,
} from "#lib/util/limits.ts";
import { PartitionRetries } from "../workers/partition-retries.ts";
import type { SeriesEnds, Worker, WorkerRun } from "../workers/worker.ts";
import type { WorkerParts } from "../workers/worker-parts.ts";
import { EntryPieces } from "./entry-pieces.ts";
import { Gatherer } from "./gatherer.ts";
import { planGathers } from "./plan-gather.ts";
import { dueEntries, dueSegments, type PlanTime, type SegmentInputs, sumBytes } from "./plan-segments.ts";
import {
  type ComposeTask,
  SegmentMaker,
  type SegmentMakerParts,
  type SegmentPlan,
  type SegmentResult,
} from "./segment-maker.ts";

/** Times that a partition is planned again in one run because others have changed it. */
const LOST_RACES_MAX = 2;

/** What one run has met in one journal. */
interface JournalRun extends Omit<WorkerRun, "ends"> {
  readonly journal: LogJournal;
  readonly journalNumber: number;
  /** If forced: where the logs ended when the series began. What has come since is left to another one. */
  readonly ends: ReadonlyMap<string, Offset> | undefined;
  /** How often each partition was moved under our hands, by `partitionKey`. */
  readonly lostRaces: Map<string, number>;
  /** Failed in this run. */
  readonly failed: Set<string>;
  /** Partitions whose stores did not make their next segment, by `partitionKey`. */
  readonly uncomposed: Set<string>;
  /** Segments made and runs gathered. */
  count: number;
  /** Nothing is due any more. */
  isAtEnd: boolean;
  /** A store or a journal does not answer: said once, not for each partition. */
  isSilenceTold: boolean;
}

/**
 * Turns write-ahead entries into log segments, small segments into larger ones, and scattered entries into fewer objects
 * (plan-segments.ts and plan-gather.ts say when). The state alone decides what is due, so whatever becomes of a run, of its
 * answers or of another compactor beside it, the next one begins with what is there; a run that is cut short leaves garbage.
 */
export class Compactor implements Worker {
  readonly name = "compactor";
  readonly #parts: WorkerParts;
  readonly #maker: SegmentMaker;
  readonly #gatherer: Gatherer;
  readonly #retries: PartitionRetries;
  /** Journals in which nothing was due: until when that is so if they do not move. */
  readonly #resting = new Map<JournalId, { readonly seq: JournalSeq; readonly untilMs: number }>();
  /** When each journal is to be looked through again for what is to be gathered. */
  readonly #gatherDueMs = new Map<JournalId, number>();
  /** By number: journals that did not answer, or whose stores did not. */
  readonly #failedUntilMs = new Map<number, number>();

  constructor(parts: SegmentMakerParts) {
    this.#parts = parts;
    const pieces = new EntryPieces(parts);
    this.#maker = new SegmentMaker(parts, pieces);
    this.#gatherer = new Gatherer(parts, pieces);
    this.#retries = new PartitionRetries(parts.clock);
  }

  /**
   * Answers how many segments were made and runs gathered. What stores make by themselves comes first, of all journals
   * together; then one journal after the other, so that memory is bounded.
   */
  async runOnce(run: WorkerRun): Promise<number> {
    const runs = await this.#begin(run);
    if (this.#maker.composes) await this.#composeAll(runs);
    for (const own of runs) await this.#guarded(own, () => this.#compact(own));
    return runs.reduce((sum, { count }) => sum + count, 0);
  }

  /** The journals that are to be looked through. */
  async #begin(run: WorkerRun): Promise<readonly JournalRun[]> {
    const { journals, leads, clock } = this.#parts;
    const runs: JournalRun[] = [];
    for (let journalNumber = 0; journalNumber < journals.count; journalNumber++) {
      if (!run.isForced && clock.monotonicMs() < (this.#failedUntilMs.get(journalNumber) ?? 0)) continue;
      await this.#guarded({ journalNumber, signal: run.signal }, async () => {
        const journal = await journals.journal(journalNumber, run.signal);
        if (!leads(journal.state)) return;
        await this.#look(journal, run);
        if (!this.#isResting(journal, run)) runs.push(newJournalRun(journal, journalNumber, run));
      });
    }
    return runs;
  }

  /** A journal that fails ends nothing but its own part of the run. */
  async #guarded(
    { journalNumber, signal }: Pick<JournalRun, "journalNumber" | "signal">,
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await work();
    } catch (error) {
      signal.throwIfAborted();
      this.#failedUntilMs.set(journalNumber, this.#parts.clock.monotonicMs() + WORKER_RETRY_MS_MIN);
      this.#parts.logger.warn("a journal is not compacted", { journal: journalNumber, error: describeError(error) });
    }
  }

  /** An old view costs nothing but work in vain, but what others have written must not wait for ever. */
  async #look(journal: LogJournal, { isForced, signal }: WorkerRun): Promise<void> {
    if (isForced) await journal.readBarrier(signal);
    else if (this.#parts.clock.monotonicMs() - journal.asOfMs > WORKER_VIEW_MS_MAX) await journal.catchUp(signal);
  }

  #isResting({ id, seq }: LogJournal, { isForced }: WorkerRun): boolean {
    const rest = this.#resting.get(id);
    return !isForced && rest?.seq === seq && this.#parts.clock.monotonicMs() < rest.untilMs;
  }

  /**
   * Partitions that were written side by side lie in the same objects, whichever journals they have. A few rounds: what its
   * stores do not make waits for the end of them.
   */
  async #composeAll(runs: readonly JournalRun[]): Promise<void> {
    for (let round = 0; round < COMPOSED_ROUNDS_MAX; round++) {
      const tasks: (ComposeTask & { readonly run: JournalRun })[] = [];
      for (const run of runs) {
        if (run.isAtEnd || !this.#parts.leads(run.journal.state)) continue;
        await this.#guarded(run, async () => {
          const plans = await this.#plan(run, COMPOSED_TOGETHER_MAX * SEGMENT_BYTES_MAX);
          run.isAtEnd = plans.length === 0;
          for (const plan of plans) if (plan.isComposable) tasks.push({ run, journal: run.journal, plan });
        });
      }
      const [{ run } = {}] = tasks;
      if (run === undefined) return;
      const results = await this.#maker.compose(tasks, run.signal);
      for (const [index, task] of tasks.entries()) {
        const result = results[index];
        if (result === undefined) task.run.uncomposed.add(keyOf(task.plan.partition));
        else await this.#guarded(task.run, () => this.#note(task.plan, result, task.run));
      }
    }
  }

  async #compact(run: JournalRun): Promise<void> {
    const { clock, leads } = this.#parts;
    const { journal, isForced } = run;
    if (!leads(journal.state)) return;
    for (let round = 0; round < COMPACTION_ROUNDS_MAX && !run.isAtEnd; round++) {
      const plans = await this.#plan(run, SEGMENT_BYTES_MAX);
      if (plans.length === 0) break;
      await this.#make(plans, run);
    }
    if (!isForced) run.count += await this.#gather(run);
    if (run.count === 0 && run.failed.size === 0) {
      const gatherDueMs = this.#gatherDueMs.get(journal.id) ?? Number.POSITIVE_INFINITY;
      const untilMs = Math.min(clock.monotonicMs() + WORKER_VIEW_MS_MAX, gatherDueMs);
      this.#resting.set(journal.id, { seq: journal.seq, untilMs });
    }
  }

  /** What fits in so many bytes of all that is due, a segment for each partition. */
  async #plan(run: JournalRun, bytesMax: number): Promise<readonly SegmentPlan[]> {
    const { journal, isForced, signal } = run;
    const time: PlanTime = { nowMs: journal.nowMs(), isForced };
    const plans: SegmentPlan[] = [];
    let byteLength = 0;
    let lookCount = 0;
    for (const partition of [...journal.state.partitions.values()]) {
      if (lookCount >= COMPACTION_LOOKS_PER_TURN) {
        lookCount = 0;
        await this.#parts.clock.endOfTurn();
        signal.throwIfAborted();
      }
      lookCount += 1 + partition.entries.length;
      const plan = this.#planOf(partition, time, run);
      if (plan === undefined) continue;
      const planBytes = sumBytes(plan.inputs.kind === "entries" ? plan.inputs.entries : plan.inputs.segments);
      if (plans.length > 0 && byteLength + planBytes > bytesMax) continue;
      byteLength += planBytes;
      plans.push(plan);
      if (plans.length === COMPACTION_SEGMENTS_TOGETHER_MAX) break;
    }
    return plans;
  }

  #planOf(partition: PartitionState, time: PlanTime, run: JournalRun): SegmentPlan | undefined {
    if (partition.entries.length === 0 && partition.segments.length < 2) return undefined;
    if (!this.#isFree(partition, run)) return undefined;
    const topic = this.#parts.cluster.topic(partition.topicId);
    if (topic === undefined) return undefined;
    const end = run.ends && (run.ends.get(keyOf(partition)) ?? 0);
    const inputs = inputsOf(partition, topic.settings, { ...time, end });
    const isComposable = inputs?.kind === "entries" && !run.uncomposed.has(keyOf(partition));
    return inputs && { partition, topic: topic.name, inputs, isComposable };
  }

  #isFree(partition: PartitionState, { journal, failed, lostRaces, isForced }: JournalRun): boolean {
    if (!canReplace(journal.state, partition)) return false;
    const key = keyOf(partition);
    if (failed.has(key) || (lostRaces.get(key) ?? 0) >= LOST_RACES_MAX) return false;
    return isForced || !this.#retries.isResting(key);
  }

  async #make(plans: readonly SegmentPlan[], run: JournalRun): Promise<void> {
    const before = run.count;
    const results = await this.#maker.make(run.journal, plans, run.signal);
    for (const [index, plan] of plans.entries()) await this.#note(plan, defined(results[index]), run);
    const fields = { journal: run.journal.id, planned: plans.length, made: run.count - before };
    this.#parts.logger.debug("segments are made", fields);
  }

  async #note({ partition }: SegmentPlan, result: SegmentResult, run: JournalRun): Promise<void> {
    const key = keyOf(partition);
    if (result.kind === "failed") await this.#noteFailure(partition, result.error, run);
    else if (result.kind === "moved") run.lostRaces.set(key, (run.lostRaces.get(key) ?? 0) + 1);
    else {
      this.#retries.noteSuccess(key);
      run.uncomposed.delete(key);
      run.count++;
    }
  }

  async #gather(run: JournalRun): Promise<number> {
    const { journal, signal } = run;
    const { cluster, clock, logger } = this.#parts;
    if (clock.monotonicMs() < (this.#gatherDueMs.get(journal.id) ?? 0)) return 0;
    this.#gatherDueMs.set(journal.id, clock.monotonicMs() + GATHER_PERIOD_MS);
    const time: PlanTime = { nowMs: journal.nowMs(), isForced: false };
    const plans = planGathers(journal.state, {
      nowMs: time.nowMs,
      canTake: (partition) => {
        const topic = cluster.topic(partition.topicId);
        // What is due and was not made now will be soon.
        return topic !== undefined && this.#isFree(partition, run) && !dueEntries(partition, topic.settings, time);
      },
    });
    let count = 0;
    for (const plan of plans) {
      const { taken, failed } = await this.#gatherer.gather(journal, plan, signal);
      count += taken;
      for (const { partition, error } of failed) await this.#noteFailure(partition, error, run);
      logger.debug("entries are gathered", { journal: journal.id, planned: plan.runs.length, taken });
    }
    return count;
  }

  async #noteFailure(partition: PartitionState, error: unknown, run: JournalRun): Promise<void> {
    const key = keyOf(partition);
    if (await this.#isOutdated(key, error, run)) {
      run.lostRaces.set(key, (run.lostRaces.get(key) ?? 0) + 1);
      return;
    }
    const passes = error instanceof LogError && error.kind === "unavailable";
    run.failed.add(key);
    this.#retries.noteFailure(key, { passes });
    if (passes && run.isSilenceTold) return;
    run.isSilenceTold ||= passes;
    const { topicId, partitionIndex } = partition;
    const topic = this.#parts.cluster.topic(topicId)?.name ?? topicId;
    const fields = { topic, partition: partitionIndex, error: describeError(error) };
    this.#parts.logger.warn("compacting a partition ended in an error; a later run does what is left to do", fields);
  }

  /** What the plan named may be gone because the state has moved on; only the newest state says that it is damage (J8). */
  async #isOutdated(key: string, error: unknown, { journal, signal }: JournalRun): Promise<boolean> {
    if (!(error instanceof LogError) || error.kind !== "conflict") return false;
    await journal.readBarrier(signal);
    const partition = journal.state.partitions.get(key);
    if (partition === undefined) return true;
    if (error instanceof MissingEntryError) return !refersTo(partition, error.place);
    return error instanceof MissingSegmentError && !namesSegment(partition, error.segment);
  }
}

function newJournalRun(journal: LogJournal, journalNumber: number, run: WorkerRun): JournalRun {
  const { isForced, signal } = run;
  return {
    ...{ isForced, signal, journal, journalNumber },
    ends: isForced ? endsOf(journal, run.ends) : undefined,
    ...{ lostRaces: new Map(), failed: new Set(), uncomposed: new Set() },
    ...{ count: 0, isAtEnd: false, isSilenceTold: false },
  };
}

function inputsOf(
  partition: PartitionState,
  settings: Parameters<typeof dueEntries>[1],
  time: PlanTime,
): SegmentInputs | undefined {
  const entries = dueEntries(partition, settings, time);
  if (entries !== undefined) return { kind: "entries", entries };
  const segments = dueSegments(partition, settings, time);
  return segments && { kind: "segments", segments };
}

/** Takes them down in `known` if this is the first run of its series. */
function endsOf(journal: LogJournal, known: SeriesEnds | undefined): ReadonlyMap<string, Offset> {
  const first = known?.get(journal.id);
  if (first !== undefined) return first;
  const partitions = [...journal.state.partitions];
  const ends = new Map(partitions.map(([key, { logEndOffset }]) => [key, logEndOffset]));
  known?.set(journal.id, ends);
  return ends;
}

function keyOf({ topicId, partitionIndex }: PartitionState): string {
  return partitionKey(topicId, partitionIndex);
}
