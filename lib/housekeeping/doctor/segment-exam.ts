import type { LogSegment } from "#lib/log/log-state.ts";
import { segmentFiles } from "#lib/log/segments.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { checkSegment, type SegmentFault } from "../segment-check.ts";
import type { Findings } from "./finding.ts";
import { type ObjectExam, type ObjectExamOptions, remedyOf } from "./object-exam.ts";
import type { DoctorPorts } from "./ports.ts";
import type { StorePresence } from "./store-presence.ts";

const MEND_INDEX =
  "its log is whole: remove the bad index, then an election of type UNCLEAN makes it again, and loses no record";

interface StoreFault {
  readonly storeId: StoreId;
  readonly fault: SegmentFault;
}

/** Reads the copies of log segments, one at a time, and checks every byte of them. */
export class SegmentExam {
  readonly #ports: DoctorPorts;
  readonly #presence: StorePresence;
  readonly #findings: Findings;
  readonly #signal: AbortSignal;
  readonly #objects: ObjectExam;

  constructor({ ports, presence, findings, signal }: ObjectExamOptions, objects: ObjectExam) {
    this.#ports = ports;
    this.#presence = presence;
    this.#findings = findings;
    this.#signal = signal;
    this.#objects = objects;
  }

  /** What tells, once the segment is known to be needed still, what is wrong with it; undefined if nothing is. */
  async examine(segment: LogSegment, partition: string): Promise<(() => void) | undefined> {
    this.#findings.tally.segments++;
    for (const { key } of segmentFiles(segment)) this.#objects.noteNamed(key);
    const faults: StoreFault[] = [];
    let goodStore: StoreId | undefined;
    let hasLog = false;
    for (const storeId of segment.copies) {
      if (this.#presence.isAway(storeId)) continue;
      const found = await this.#check(segment, storeId);
      faults.push(...found.map((fault) => ({ storeId, fault })));
      if (found.length === 0) goodStore ??= storeId;
      if (found.every(({ key }) => !key.endsWith(".log"))) hasLog = true;
    }
    const awayIds = segment.copies.filter((id) => this.#presence.isAway(id));
    if (faults.length === 0 && awayIds.length === 0) return undefined;
    goodStore ??= await this.#goodStoreBeyond(segment);
    const remedy = goodStore === undefined && hasLog ? MEND_INDEX : remedyOf(goodStore, awayIds);
    const offsets = `of ${partition}, offsets ${segment.baseOffset} to ${segment.nextOffset - 1}`;
    return () => {
      for (const { storeId, fault } of faults) {
        const where = `store ${storeId} object ${fault.key}`;
        this.#findings.add({ kind: `segment-${fault.kind}`, where, what: `${fault.problem}; ${offsets}`, remedy });
      }
      this.#presence.noteNeeded(awayIds, { isOnlyThere: goodStore === undefined });
    };
  }

  /** Its record names the stores that had it first; others may have got it since. */
  async #goodStoreBeyond(segment: LogSegment): Promise<StoreId | undefined> {
    for (const storeId of this.#ports.stores.keys()) {
      if (segment.copies.includes(storeId) || this.#presence.isAway(storeId)) continue;
      if ((await this.#check(segment, storeId)).length === 0) return storeId;
    }
    return undefined;
  }

  async #check(segment: LogSegment, storeId: StoreId): Promise<readonly SegmentFault[]> {
    const store = this.#ports.stores.get(storeId);
    if (store === undefined) {
      return segmentFiles(segment).map(({ key }) => ({ key, kind: "missing", problem: "there is no such store here" }));
    }
    const checked = await checkSegment(store, segment, this.#signal);
    this.#findings.tally.objects += checked.objects;
    this.#findings.tally.bytes += checked.bytes;
    return checked.faults;
  }
}
