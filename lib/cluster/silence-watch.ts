import type { BrokerId } from "#lib/util/branded.ts";
import type { BrokerState } from "./broker-state.ts";

type Watched = Pick<BrokerState, "brokerId" | "brokerEpoch" | "seenSeq">;

/** A broker at a sign of life, and when this process first saw that one. */
export interface Silence extends Watched {
  readonly sinceMs: number;
}

/**
 * How long other brokers have given no sign of life, by this process's monotonic clock alone: from when it saw the last
 * one until its last look at the journal began. Time in which it could not look counts for nobody: then the journal was
 * away, or this process stood still, and the others may have been well.
 */
export class SilenceWatch {
  readonly #silences = new Map<BrokerId, Silence>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /** Takes what has been folded by `nowMs`: those that run, as they stand. */
  note(running: readonly Watched[], nowMs: number): void {
    const ids = new Set(running.map(({ brokerId }) => brokerId));
    for (const brokerId of this.#silences.keys()) if (!ids.has(brokerId)) this.#silences.delete(brokerId);
    for (const { brokerId, brokerEpoch, seenSeq } of running) {
      const known = this.#silences.get(brokerId);
      if (known?.brokerEpoch === brokerEpoch && known.seenSeq === seenSeq) continue;
      this.#silences.set(brokerId, { brokerId, brokerEpoch, seenSeq, sinceMs: nowMs });
    }
  }

  /**
   * A look at the journal that began at `beganMs` has been folded and noted by `nowMs`. After a gap of more than
   * `gapMsMax` between two looks all counts begin anew.
   */
  looked({ beganMs, nowMs, gapMsMax }: { beganMs: number; nowMs: number; gapMsMax: number }): void {
    if (beganMs - this.#lookedAtMs > gapMsMax) {
      for (const [brokerId, silence] of this.#silences) this.#silences.set(brokerId, { ...silence, sinceMs: nowMs });
    }
    this.#lookedAtMs = Math.max(this.#lookedAtMs, beganMs);
  }

  /** Those that have been silent for `sessionMs`. */
  overdue(sessionMs: number): readonly Silence[] {
    return [...this.#silences.values()].filter(({ sinceMs }) => this.#lookedAtMs - sinceMs >= sessionMs);
  }

  /** When the next one will have been silent for `sessionMs`, if it stays so; infinity if nobody is watched. */
  nextDueMs(sessionMs: number): number {
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { sinceMs } of this.#silences.values()) firstMs = Math.min(firstMs, sinceMs + sessionMs);
    return firstMs;
  }
}
