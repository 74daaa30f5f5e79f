import type { ReplaceInput } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { entryInput, segmentInput } from "#lib/log/segments.ts";
import type { SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import { COMPACTION_UPLOADS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { proposeReplace } from "../workers/propose.ts";
import { SegmentWriter } from "../workers/segment-writer.ts";
import type { WorkerParts } from "../workers/worker-parts.ts";
import { EntryDraft } from "./entry-draft.ts";
import type { EntryPieces } from "./entry-pieces.ts";
import { mergeSegments } from "./merge-segments.ts";
import { newestMs, type SegmentInputs } from "./plan-segments.ts";

export interface SegmentPlan {
  readonly partition: PartitionState;
  readonly topic: string;
  readonly inputs: SegmentInputs;
}

export type SegmentResult =
  | { readonly kind: "replaced" }
  /** Others were first, or the partition is gone: what was written is garbage. */
  | { readonly kind: "moved" }
  | { readonly kind: "failed"; readonly error: unknown };

/** Makes segments: reads their inputs, writes their files, and puts them in the inputs' place. */
export class SegmentMaker {
  readonly #parts: WorkerParts;
  readonly #pieces: EntryPieces;
  readonly #writer: SegmentWriter;

  constructor(parts: WorkerParts, pieces: EntryPieces) {
    this.#parts = parts;
    this.#pieces = pieces;
    this.#writer = new SegmentWriter(parts);
  }

  /**
   * One segment for each plan, in memory all together. What lies in the same write-ahead objects is read together. Answers in
   * the order of the plans; rejects only if aborted.
   */
  async make(
    journal: LogJournal,
    plans: readonly SegmentPlan[],
    signal: AbortSignal,
  ): Promise<readonly SegmentResult[]> {
    const drafts = plans.map(({ inputs }) => (inputs.kind === "entries" ? new EntryDraft(inputs.entries) : undefined));
    const pieces = drafts.flatMap((draft) => draft?.pieces ?? []);
    await this.#pieces.read(journal.id, pieces, signal);
    const results: SegmentResult[] = plans.map(() => ({ kind: "moved" }));
    const rest = plans.entries();
    const lane = async (): Promise<void> => {
      for (const [index, plan] of rest) {
        try {
          const files = drafts[index]?.finish() ?? (await this.#merge(plan, signal));
          const isReplaced = await this.#replace(journal, plan, files, signal);
          results[index] = { kind: isReplaced ? "replaced" : "moved" };
        } catch (error) {
          signal.throwIfAborted();
          results[index] = { kind: "failed", error };
        }
      }
    };
    await Promise.all(Array.from({ length: COMPACTION_UPLOADS_AT_ONCE_MAX }, lane));
    return results;
  }

  #merge({ inputs }: SegmentPlan, signal: AbortSignal): Promise<SegmentFiles> {
    return mergeSegments(inputs.kind === "segments" ? inputs.segments : [], this.#parts.segments, signal);
  }

  async #replace(journal: LogJournal, plan: SegmentPlan, files: SegmentFiles, signal: AbortSignal): Promise<boolean> {
    const { topicId, partitionIndex } = plan.partition;
    const { state } = journal;
    const settings = state.partitions.get(partitionKey(topicId, partitionIndex));
    if (settings === undefined) return false;
    const segment = await this.#writer.write(
      { files, topic: plan.topic, partitionIndex, appendedAtMs: newestMs(runsOf(plan.inputs)), isCleaned: false },
      { state, settings },
      signal,
    );
    const inputs = inputsOf(plan.inputs);
    return proposeReplace(journal, { kind: "replace", topicId, partitionIndex, inputs, segments: [segment] }, signal);
  }
}

function runsOf(inputs: SegmentInputs): readonly { readonly appendedAtMs: number }[] {
  return inputs.kind === "entries" ? inputs.entries : inputs.segments;
}

function inputsOf(inputs: SegmentInputs): readonly ReplaceInput[] {
  return inputs.kind === "entries" ? inputs.entries.map(entryInput) : inputs.segments.map(segmentInput);
}
