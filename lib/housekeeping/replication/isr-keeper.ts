import type { LogJournal } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import { LEADERS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { ISR_CHANGE_MS_MAX, ISR_SUSPECT_MS_MAX } from "#lib/util/limits.ts";
import type { CopyTracker } from "./copy-tracker.ts";

export interface IsrKeeperPorts {
  readonly tracker: CopyTracker;
  readonly health: StoreHealth;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `replica.lag.time.max.ms`. */
  readonly lagMsMax: () => number;
}

const LANE = "isr";

/**
 * Takes stores out of the ISR of the journals led here when they fail or lag behind, and back in when they are whole. Each
 * change names the ISR epoch that it was decided on, so of two who think that they lead only one gets through; an answer
 * that is lost is found by the fold, for the next look sees what became of it.
 */
export class IsrKeeper {
  readonly #ports: IsrKeeperPorts;
  /** Journals with a change of ours under way. */
  readonly #changing = new Set<number>();

  constructor(ports: IsrKeeperPorts) {
    this.#ports = ports;
  }

  /** Proposes what is to change, all in one turn. Resolves to the number of changes. Rejects only if aborted. */
  async keep(signal: AbortSignal): Promise<number> {
    const { tracker } = this.#ports;
    const changes: Promise<boolean>[] = [];
    for (const { journalNumber, journal } of tracker.led()) {
      if (this.#changing.has(journalNumber)) continue;
      const isr = this.#wanted(journalNumber, journal);
      if (isr !== undefined) changes.push(this.#change(journalNumber, { journal, isr }, signal));
    }
    return (await Promise.all(changes)).filter((hasChanged) => hasChanged).length;
  }

  #wanted(journalNumber: number, journal: LogJournal): readonly StoreId[] | undefined {
    const { tracker, health, clock, lagMsMax } = this.#ports;
    const nowMs = clock.monotonicMs();
    const known = new Set(tracker.storeIds);
    const beforeMs = journal.nowMs() - lagMsMax();
    const lags = (id: StoreId) => tracker.owedTo(id).holdsBack(journalNumber, beforeMs);
    // That another store answers shows that it is not this process that is cut off.
    const answeredAtMs = (except: StoreId) =>
      Math.max(...journal.state.isr.filter((id) => id !== except).map((id) => health.succeededAtMs(id)));
    return wantedIsr(journal.state, {
      isBad(id) {
        if (!known.has(id)) return false;
        const sinceMs = health.suspectSinceMs(id);
        const isAway = sinceMs !== undefined && nowMs - sinceMs >= ISR_SUSPECT_MS_MAX && answeredAtMs(id) > sinceMs;
        return isAway || lags(id);
      },
      isWhole(id) {
        if (!known.has(id) || health.isSuspect(id)) return false;
        const owed = tracker.owedTo(id);
        return owed.isListed && !owed.isShort(journalNumber) && !lags(id);
      },
    });
  }

  async #change(
    journalNumber: number,
    { journal, isr }: { readonly journal: LogJournal; readonly isr: readonly StoreId[] },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock, logger } = this.#ports;
    const { isr: before, isrEpoch: expectedIsrEpoch } = journal.state;
    this.#changing.add(journalNumber);
    try {
      using limit = timeLimit(clock, ISR_CHANGE_MS_MAX, signal);
      await journal.raiseFeatureLevel(LEADERS_FEATURE_LEVEL, limit.signal);
      const command = { kind: "alter-isr", expectedIsrEpoch, isr } as const;
      const { outcome } = await journal.propose(command, { lane: LANE, signal: limit.signal });
      if (outcome.kind !== "done") return false;
      const fields = { journal: journal.id, isr: isr.join(","), before: before.join(",") };
      if (isr.length < before.length) logger.warn("a store has left the ISR", fields);
      else logger.info("the ISR has changed", fields);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      logger.warn("the ISR is not changed", { journal: journal.id, error: describeError(error) });
      return false;
    } finally {
      this.#changing.delete(journalNumber);
    }
  }
}

/**
 * The ISR that a journal should have; undefined if it has it. Never empty: if all of its stores are bad, it is this process
 * that is cut off, or nobody is better.
 */
export function wantedIsr(
  { replicas, isr }: Pick<LogState, "replicas" | "isr">,
  { isBad, isWhole }: { readonly isBad: (id: StoreId) => boolean; readonly isWhole: (id: StoreId) => boolean },
): readonly StoreId[] | undefined {
  const good = isr.filter((id) => !isBad(id));
  const kept = good.length === 0 ? isr : good;
  const wanted = replicas.filter((id) => kept.includes(id) || (!isr.includes(id) && isWhole(id)));
  const isSame = wanted.length === isr.length && wanted.every((id) => isr.includes(id));
  return isSame ? undefined : wanted;
}
