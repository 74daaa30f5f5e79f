import type { Note } from "#lib/housekeeping/doctor/finding.ts";
import { strangerNote } from "#lib/housekeeping/doctor/store-checks.ts";
import type { StorePresence } from "#lib/housekeeping/doctor/store-presence.ts";
import { checkSegment, type SegmentFault } from "#lib/housekeeping/segment-check.ts";
import { describeError } from "#lib/runtime/logger.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { STRANGERS_TOLD_MAX } from "#lib/util/limits.ts";
import type { ListedSegment } from "./segment-list.ts";
import { findStrangers } from "./segment-strangers.ts";

/** What was looked at. */
export interface VerifyTally {
  segments: number;
  objects: number;
  bytes: number;
  strangers: number;
  findings: number;
}

export interface VerifierOptions {
  readonly stores: StoreSet;
  readonly presence: StorePresence;
  /** Whether the segment is among those of its partition, read again. */
  readonly isLive: (segment: ListedSegment) => Promise<boolean>;
  readonly onFinding: (finding: Note) => void;
  readonly onNote: (note: Note) => void;
  readonly signal: AbortSignal;
}

/** Reads log segments in every store that has them, one copy at a time. */
export class SegmentVerifier {
  readonly tally: VerifyTally = { segments: 0, objects: 0, bytes: 0, strangers: 0, findings: 0 };
  readonly #options: VerifierOptions;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  async verify(listed: ListedSegment): Promise<void> {
    const { topic, partition, segment } = listed;
    const { stores, presence, isLive } = this.#options;
    const found: Note[] = [];
    let isOnlyThere = true;
    for (const storeId of [...new Set([...segment.copies, ...stores.ids])]) {
      if (presence.isAway(storeId)) continue;
      const isNamed = segment.copies.includes(storeId);
      const faults = await this.#check(listed, storeId);
      if (faults.length === 0) isOnlyThere = false;
      for (const { key, kind, problem } of faults) {
        // A store that the record does not name may have got it since, or is getting it.
        if (!isNamed && kind !== "damaged") continue;
        const of = `of ${topic}-${partition}, offsets ${segment.baseOffset} to ${segment.nextOffset - 1}`;
        found.push({ kind: `segment-${kind}`, where: `store ${storeId} object ${key}`, what: `${problem}; ${of}` });
      }
    }
    this.tally.segments++;
    // Workers may have replaced it and deleted it meanwhile.
    const awayIds = segment.copies.filter((id) => presence.isAway(id));
    if ((found.length === 0 && awayIds.length === 0) || !(await isLive(listed))) return;
    presence.noteNeeded(awayIds, { isOnlyThere });
    for (const finding of found) this.#find(finding);
  }

  /** One finding for each store that is away, however many segments it has. */
  reportAway(): void {
    this.#options.presence.report({
      add: ({ kind, where, what, remedy }) => this.#find({ kind, where, what: `${what}; ${remedy}` }),
    });
  }

  /** Tells what Millrace did not write. */
  async findStrangers(): Promise<void> {
    const { stores, presence, onNote, signal } = this.#options;
    for (const storeId of stores.ids) {
      if (presence.isAway(storeId)) continue;
      try {
        for await (const key of findStrangers(stores.store(storeId), signal)) {
          this.tally.strangers++;
          if (this.tally.strangers <= STRANGERS_TOLD_MAX) onNote(strangerNote(storeId, key));
        }
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        this.#find({ kind: "store-unreadable", where: `store ${storeId}`, what: describeError(error) });
      }
    }
  }

  async #check({ segment }: ListedSegment, storeId: StoreId): Promise<readonly SegmentFault[]> {
    const { stores, signal } = this.#options;
    const checked = await checkSegment({ get: async (key) => stores.store(storeId).get(key, signal) }, segment, signal);
    this.tally.objects += checked.objects;
    this.tally.bytes += checked.bytes;
    return checked.faults;
  }

  #find(finding: Note): void {
    this.tally.findings++;
    this.#options.onFinding(finding);
  }
}
