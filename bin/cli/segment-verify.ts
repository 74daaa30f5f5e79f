import type { Note } from "#lib/housekeeping/doctor/finding.ts";
import { strangerNote } from "#lib/housekeeping/doctor/store-checks.ts";
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
    const { stores, isLive } = this.#options;
    const found: Note[] = [];
    for (const storeId of [...new Set([...segment.copies, ...stores.ids])]) {
      const isNamed = segment.copies.includes(storeId);
      for (const { key, kind, problem } of await this.#check(listed, storeId)) {
        // A store that the record does not name may have got it since, or is getting it.
        if (!isNamed && kind !== "damaged") continue;
        const of = `of ${topic}-${partition}, offsets ${segment.baseOffset} to ${segment.nextOffset - 1}`;
        found.push({ kind: `segment-${kind}`, where: `store ${storeId} object ${key}`, what: `${problem}; ${of}` });
      }
    }
    this.tally.segments++;
    // Workers may have replaced it and deleted it meanwhile.
    if (found.length === 0 || !(await isLive(listed))) return;
    for (const finding of found) this.#find(finding);
  }

  /** Tells what Millrace did not write. */
  async findStrangers(): Promise<void> {
    const { stores, onNote, signal } = this.#options;
    for (const storeId of stores.ids) {
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
