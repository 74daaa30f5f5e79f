import { StoreUnavailableError } from "#lib/storage/object-store.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { copiesToWaitFor, type FlushSegment } from "./flush-plan.ts";

// What a flush does about stores that fail.

/** Whether `needed` of `stores` are above suspicion. */
export function hasEnough(stores: readonly StoreId[], needed: number, health: StoreHealth): boolean {
  return stores.filter((id) => !health.isSuspect(id)).length >= needed;
}

/**
 * Leave to write to `stores` although fewer than `needed` of them are above suspicion; undefined if there are enough. One
 * flush at a time tries the suspect ones. The others fail at once with `StoreUnavailableError`: a store that is silent
 * would keep each of them, with its bytes, until its time is over.
 */
export function tryNeeded(stores: readonly StoreId[], needed: number, health: StoreHealth): Disposable | undefined {
  if (hasEnough(stores, needed, health)) return undefined;
  const suspects = stores.filter((id) => health.isSuspect(id));
  let missing = needed - (stores.length - suspects.length);
  // Not a DisposableStack: tests of a package's users run on Node 20, which has none.
  const trials: Disposable[] = [];
  const end = () => {
    for (const trial of trials) trial[Symbol.dispose]();
  };
  for (const id of suspects) {
    const trial = health.tryTrial(id, "write");
    if (trial === undefined) continue;
    trials.push(trial);
    if (--missing === 0) return { [Symbol.dispose]: end };
  }
  end();
  const message = `${needed} of stores ${stores.join(", ")} are needed, and ${suspects.join(", ")} failed or did not answer`;
  throw new StoreUnavailableError(message, { reason: "io" });
}

/** Calls `listener` when a change of the ISR lets fewer copies be enough. Answers the way to stop it. */
export function onFewerCopiesNeeded(segment: FlushSegment, listener: (needed: number) => void): () => void {
  const stops = segment.groups.map(({ journal }) =>
    journal.onFold((command) => {
      if (command.kind === "alter-isr") listener(copiesToWaitFor(segment));
    }),
  );
  return () => {
    for (const stop of stops) stop();
  };
}
