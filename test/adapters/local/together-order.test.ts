import { expect, test } from "vitest";
import { type RunTaker, TogetherOrder } from "#lib/adapters/local/together-order.ts";
import type { StoredRun } from "#lib/storage/segments/compose-log.ts";
import { objectKey } from "#lib/util/branded.ts";

/** Takes a run of each of the objects, one after the other, and none behind the one that it fails at. */
class Taker implements RunTaker {
  readonly #runs: readonly StoredRun[];
  readonly #failsAt: number;
  #taken = 0;
  #hasFailed = false;

  constructor(objects: readonly string[], failsAt = Number.POSITIVE_INFINITY) {
    const run = { position: 0, byteLength: 1, baseOffset: 0, batches: new Uint8Array() };
    this.#runs = objects.map((name) => ({ ...run, key: objectKey(`wal/0000000001/ab/${name}`) }));
    this.#failsAt = failsAt;
  }

  get next(): StoredRun | undefined {
    return this.#hasFailed ? undefined : this.#runs[this.#taken];
  }

  get runsLeft(): readonly StoredRun[] {
    return this.#runs.slice(this.#taken);
  }

  take(): void {
    if (this.#taken === this.#failsAt) this.#hasFailed = true;
    else this.#taken++;
  }
}

/** The objects in the order in which they are read, each with how many take a run of it then. */
function readsOf(takers: readonly Taker[]): readonly string[] {
  const order = new TogetherOrder(takers);
  const reads: string[] = [];
  for (let group = order.next(); group.length > 0; group = order.next()) {
    reads.push(`${group[0]?.next?.key.split("/").at(-1)}${group.length}`);
    for (const taker of group) taker.take();
  }
  return reads;
}

test("an object is read once for all who need a run of it", () => {
  expect(readsOf([new Taker(["a", "b", "c"]), new Taker(["a", "b", "c"])])).toEqual(["a2", "b2", "c2"]);
});

test("who comes to an object first waits for those who need it later, whoever stands first", () => {
  const early = ["a", "b", "c"];
  const late = ["c", "d", "e"];
  expect(readsOf([new Taker(early), new Taker(late)])).toEqual(["a1", "b1", "c2", "d1", "e1"]);
  expect(readsOf([new Taker(late), new Taker(early)])).toEqual(["a1", "b1", "c2", "d1", "e1"]);
});

test("nobody waits for ever where objects stand in another order, or twice", () => {
  expect(readsOf([new Taker(["a", "b"]), new Taker(["b", "a"])])).toHaveLength(3);
  expect(readsOf([new Taker(["a", "b", "a"]), new Taker(["a", "b"])])).toHaveLength(3);
});

test("those who have failed are not waited for", () => {
  const failing = new Taker(["a", "b", "c", "d"], 1);
  expect(readsOf([failing, new Taker(["a", "b", "d", "c"])])).toEqual(["a2", "b2", "d1", "c1"]);
  expect(readsOf([new Taker([]), new Taker(["a"])])).toEqual(["a1"]);
});
