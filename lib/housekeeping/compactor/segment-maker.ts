import { storesOf } from "#lib/log/commit-rule.ts";
import type { ReplaceInput } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { type LogSegment, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { entryInput, segmentInput } from "#lib/log/segments.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import { defined } from "#lib/util/assert.ts";
import { COMPACTION_UPLOADS_AT_ONCE_MAX, COMPOSED_RUN_BYTES_MIN, COMPOSED_TOGETHER_MAX } from "#lib/util/limits.ts";
import { proposeReplace } from "../workers/propose.ts";
import { type SegmentOrigin, SegmentWriter } from "../workers/segment-writer.ts";
import type { WorkerParts } from "../workers/worker-parts.ts";
import { EntryDraft } from "./entry-draft.ts";
import type { EntryPieces } from "./entry-pieces.ts";
import { canCompose, recipeOf } from "./log-recipe.ts";
import { mergeSegments } from "./merge-segments.ts";
import { newestMs, type SegmentInputs } from "./plan-segments.ts";

export interface SegmentPlan {
  readonly partition: PartitionState;
  readonly topic: string;
  readonly inputs: SegmentInputs;
  /** Stores may be asked to make it by themselves. */
  readonly isComposable: boolean;
}

export interface ComposeTask {
  readonly journal: LogJournal;
  readonly plan: SegmentPlan;
}

export type SegmentResult =
  | { readonly kind: "replaced" }
  /** Others were first, or the partition is gone: what was written is garbage. */
  | { readonly kind: "moved" }
  | { readonly kind: "failed"; readonly error: unknown };

export interface SegmentMakerParts extends WorkerParts {
  /** Entries that are smaller on average are not left to the stores. Default: `COMPOSED_RUN_BYTES_MIN`. */
  readonly composedRunBytesMin?: number;
}

/** Makes segments: reads their inputs, writes their files, and puts them in the inputs' place. */
export class SegmentMaker {
  readonly #parts: SegmentMakerParts;
  readonly #pieces: EntryPieces;
  readonly #writer: SegmentWriter;

  constructor(parts: SegmentMakerParts, pieces: EntryPieces) {
    this.#parts = parts;
    this.#pieces = pieces;
    this.#writer = new SegmentWriter(parts);
  }

  /** Whether there are stores that make segments by themselves. */
  get composes(): boolean {
    const { stores } = this.#parts;
    return stores.ids.some((id) => stores.store(id).composeLog !== undefined);
  }

  /**
   * One segment for each task whose stores make it by themselves, and undefined for the others: a few together, those that
   * begin at the same time first of all. Rejects only if aborted.
   */
  async compose(tasks: readonly ComposeTask[], signal: AbortSignal): Promise<readonly (SegmentResult | undefined)[]> {
    const results = new Map<ComposeTask, SegmentResult>();
    const byTime = [...tasks].sort((a, b) => beginOf(a) - beginOf(b));
    for (let at = 0; at < byTime.length; at += COMPOSED_TOGETHER_MAX) {
      const together = byTime.slice(at, at + COMPOSED_TOGETHER_MAX).map(async (task) => {
        const { journal, plan } = task;
        const settings = settingsOf(journal, plan);
        const segment = settings && (await this.#compose(journal, plan, settings, signal));
        if (segment !== undefined) results.set(task, await this.#result(journal, plan, () => segment, signal));
      });
      await Promise.all(together);
    }
    return tasks.map((task) => results.get(task));
  }

  /**
   * One segment for each plan, in memory all together unless their stores can make them by themselves. What lies in the same
   * write-ahead objects is read together. Answers in the order of the plans; rejects only if aborted.
   */
  async make(
    journal: LogJournal,
    plans: readonly SegmentPlan[],
    signal: AbortSignal,
  ): Promise<readonly SegmentResult[]> {
    const composable = plans.filter(({ isComposable }) => isComposable);
    const composed = await this.compose(
      composable.map((plan) => ({ journal, plan })),
      signal,
    );
    const results = new Map<SegmentPlan, SegmentResult>();
    for (const [index, plan] of composable.entries()) {
      const result = composed[index];
      if (result !== undefined) results.set(plan, result);
    }
    const rest = plans.filter((plan) => !results.has(plan));
    const drafts = new Map<SegmentPlan, EntryDraft>();
    for (const plan of rest) if (plan.inputs.kind === "entries") drafts.set(plan, new EntryDraft(plan.inputs.entries));
    await this.#pieces.read(
      journal.id,
      [...drafts.values()].flatMap((draft) => draft.pieces),
      signal,
    );
    await this.#inLanes(rest, async (plan) => {
      const write = async () => {
        const files = drafts.get(plan)?.finish() ?? (await this.#merge(plan, signal));
        const settings = settingsOf(journal, plan);
        const placement = settings && { state: journal.state, settings };
        return placement && (await this.#writer.write({ files, ...originOf(plan) }, placement, signal));
      };
      results.set(plan, await this.#result(journal, plan, write, signal));
    });
    return plans.map((plan) => defined(results.get(plan)));
  }

  async #inLanes(plans: readonly SegmentPlan[], work: (plan: SegmentPlan) => Promise<void>): Promise<void> {
    const rest = plans.values();
    const lane = async (): Promise<void> => {
      for (const plan of rest) await work(plan);
    };
    await Promise.all(Array.from({ length: COMPACTION_UPLOADS_AT_ONCE_MAX }, lane));
  }

  /** Undefined if the stores do not make the segment. */
  async #compose(
    { id, state }: LogJournal,
    plan: SegmentPlan,
    settings: PartitionState,
    signal: AbortSignal,
  ): Promise<LogSegment | undefined> {
    const { composedRunBytesMin: runBytesMin = COMPOSED_RUN_BYTES_MIN } = this.#parts;
    const entries = plan.inputs.kind === "entries" ? plan.inputs.entries : [];
    const rule = { stores: storesOf(state, settings), runBytesMin };
    if (!this.#writer.canCompose({ state, settings }) || !canCompose(entries, rule)) return undefined;
    try {
      const recipe = await recipeOf(entries, { journal: id, pieces: this.#pieces, signal });
      return await this.#writer.compose({ recipe, ...originOf(plan) }, { state, settings }, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Whoever reads the entries meets the same, knows of other copies, and tells of those that are lost.
      this.#parts.logger.debug("a segment is not made by its stores", { error: describeError(error) });
      return undefined;
    }
  }

  #merge({ inputs }: SegmentPlan, signal: AbortSignal): Promise<SegmentFiles> {
    return mergeSegments(inputs.kind === "segments" ? inputs.segments : [], this.#parts.segments, signal);
  }

  /** Puts what `write` answers in the place of the plan's inputs. */
  async #result(
    journal: LogJournal,
    { partition, inputs }: SegmentPlan,
    write: () => LogSegment | undefined | Promise<LogSegment | undefined>,
    signal: AbortSignal,
  ): Promise<SegmentResult> {
    const { topicId, partitionIndex } = partition;
    try {
      const segment = await write();
      if (segment === undefined) return { kind: "moved" };
      const command = { topicId, partitionIndex, inputs: inputsOf(inputs), segments: [segment] };
      const isReplaced = await proposeReplace(journal, { kind: "replace", ...command }, signal);
      return { kind: isReplaced ? "replaced" : "moved" };
    } catch (error) {
      signal.throwIfAborted();
      return { kind: "failed", error };
    }
  }
}

/** Undefined if the partition is gone. */
function settingsOf({ state }: LogJournal, { partition }: SegmentPlan): PartitionState | undefined {
  return state.partitions.get(partitionKey(partition.topicId, partition.partitionIndex));
}

function originOf({ topic, partition, inputs }: SegmentPlan): SegmentOrigin {
  const { partitionIndex } = partition;
  return { topic, partitionIndex, appendedAtMs: newestMs(runsOf(inputs)), isCleaned: false };
}

function beginOf({ plan }: ComposeTask): number {
  return runsOf(plan.inputs)[0]?.appendedAtMs ?? 0;
}

function runsOf(inputs: SegmentInputs): readonly { readonly appendedAtMs: number }[] {
  return inputs.kind === "entries" ? inputs.entries : inputs.segments;
}

function inputsOf(inputs: SegmentInputs): readonly ReplaceInput[] {
  return inputs.kind === "entries" ? inputs.entries.map(entryInput) : inputs.segments.map(segmentInput);
}
