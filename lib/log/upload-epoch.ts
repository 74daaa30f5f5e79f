import type { Clock } from "#lib/runtime/clock.ts";
import type { LogJournals } from "./log-journals.ts";

const HOUR_MS = 3_600_000;

/**
 * The upload epoch of an object that is written now: hours since 1970 by this process's clock, or one above the highest
 * floor that it has folded. So a clock that is behind cannot make objects that no journal takes.
 */
export function uploadEpoch(clock: Pick<Clock, "nowMs">, journals: Pick<LogJournals, "allOpened">): number {
  let epoch = Math.floor(clock.nowMs() / HOUR_MS);
  for (const { state } of journals.allOpened()) epoch = Math.max(epoch, state.retireFloor + 1);
  return epoch;
}
