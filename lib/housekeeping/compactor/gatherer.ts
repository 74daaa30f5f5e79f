import { copiesToReplace, storesOf } from "#lib/log/commit-rule.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import type { PartitionState } from "#lib/log/log-state.ts";
import { uploadEpoch } from "#lib/log/upload-epoch.ts";
import { writeAheadKey } from "#lib/storage/object-keys.ts";
import { defined } from "#lib/util/assert.ts";
import { flushIdFromBytes } from "#lib/util/branded.ts";
import { putEverywhere } from "../workers/copies.ts";
import { proposeWork } from "../workers/propose.ts";
import type { WorkerParts } from "../workers/worker-parts.ts";
import type { EntryPieces } from "./entry-pieces.ts";
import { GatherDraft } from "./gather-draft.ts";
import type { GatherPlan } from "./plan-gather.ts";

export interface GatherResult {
  /** Runs of entries that are one entry now. */
  readonly taken: number;
  readonly failed: readonly { readonly partition: PartitionState; readonly error: unknown }[];
}

/** Brings entries of many partitions together in one new write-ahead object. */
export class Gatherer {
  readonly #parts: WorkerParts;
  readonly #pieces: EntryPieces;
  /** Part of its objects' keys. */
  readonly #writerId: string;

  constructor(parts: WorkerParts, pieces: EntryPieces) {
    this.#parts = parts;
    this.#pieces = pieces;
    this.#writerId = Buffer.from(parts.random.bytes(8)).toString("hex");
  }

  /** Fails with `StoreUnavailableError`, as `proposeWork` does, or with the signal's reason. */
  async gather(journal: LogJournal, plan: GatherPlan, signal: AbortSignal): Promise<GatherResult> {
    const { journals, clock, random } = this.#parts;
    const draft = new GatherDraft(plan);
    await this.#pieces.read(journal.id, draft.pieces, signal);
    const failed = draft.failed.map(({ run, error }) => ({ partition: run.partition, error }));
    const flushId = flushIdFromBytes(random.bytes(16));
    const gathered = draft.seal(flushId);
    if (gathered === undefined) return { taken: 0, failed };
    const { sealed, parts } = gathered;
    const key = writeAheadKey({ uploadEpoch: uploadEpoch(clock, journals), writerId: this.#writerId, flushId });
    const { partition } = defined(plan.runs[0]);
    const { state } = journal;
    const copies = await putEverywhere(
      {
        objects: [{ key, chunks: sealed.chunks }],
        placement: storesOf(state, partition),
        // The partitions have the same stores, but need not ask for as many of them.
        needed: Math.max(...plan.runs.map((run) => copiesToReplace(state, run.partition))),
      },
      this.#parts,
      signal,
    );
    const { byteLength } = sealed;
    const outcome = await proposeWork(journal, { kind: "gather", flushId, key, byteLength, copies, parts }, signal);
    const taken = outcome.kind === "gathered" ? outcome.parts.filter((isTaken) => isTaken).length : 0;
    return { taken, failed };
  }
}
