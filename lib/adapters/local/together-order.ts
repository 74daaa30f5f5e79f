import type { StoredRun } from "#lib/storage/segments/compose-log.ts";
import type { ObjectKey } from "#lib/util/branded.ts";

/** What takes runs in their order, one after the other. */
export interface RunTaker {
  /** The run that it takes next; undefined if there is none any more. */
  readonly next: StoredRun | undefined;
  /** That one, and all behind it. */
  readonly runsLeft: readonly StoredRun[];
}

/**
 * Who goes on next, so that those who need runs of one object take them together: whoever comes to it first waits for the
 * others. Objects may stand in another order in one than in the other; then somebody does not wait.
 */
export class TogetherOrder<T extends RunTaker> {
  readonly #takers: readonly T[];
  /** Runs that have not been taken, of all. */
  readonly #left = new Map<ObjectKey, number>();
  #last: readonly T[] = [];

  constructor(takers: readonly T[]) {
    this.#takers = takers;
    for (const { next, runsLeft } of takers)
      if (next !== undefined) for (const { key } of runsLeft) this.#count(key, 1);
  }

  /** Those whose next runs lie in one object; none if nobody takes anything any more. */
  next(): readonly T[] {
    // Who could not take its run takes no other one either.
    for (const taker of this.#last) {
      if (taker.next !== undefined) continue;
      for (const { key } of taker.runsLeft.slice(1)) this.#count(key, -1);
    }
    const groups = new Map<ObjectKey, T[]>();
    for (const taker of this.#takers) {
      if (taker.next === undefined) continue;
      const group = groups.get(taker.next.key);
      if (group === undefined) groups.set(taker.next.key, [taker]);
      else group.push(taker);
    }
    this.#last = this.#chosen(groups);
    const key = this.#last[0]?.next?.key;
    if (key !== undefined) this.#count(key, -this.#last.length);
    return this.#last;
  }

  #chosen(groups: ReadonlyMap<ObjectKey, readonly T[]>): readonly T[] {
    let largest: readonly T[] = [];
    for (const [key, group] of groups) {
      if (group.length === this.#left.get(key)) return group;
      if (group.length > largest.length) largest = group;
    }
    return largest;
  }

  #count(key: ObjectKey, count: number): void {
    this.#left.set(key, (this.#left.get(key) ?? 0) + count);
  }
}
