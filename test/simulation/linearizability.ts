import type { Offset } from "#lib/util/branded.ts";

// Linearizability of one partition: is there an order of the operations that keeps every one between its beginning and
// its end, and in which each answer is what an append-only log would have answered? The search is Wing and Gong's with
// the memory of Lowe's ("Testing for linearizability", 2017), as in Porcupine: try each operation that may come next,
// remember which sets of operations have been tried with which log, go back where nothing fits.

export type LogOperation = {
  readonly startMs: number;
  /** Undefined: nobody knows whether it has taken effect, and if so, when. */
  readonly endMs: number | undefined;
} & LogEffect;

export type LogEffect =
  /** Puts `count` records named `name` behind the end. `offset`: where, if that was answered. */
  | { readonly kind: "append"; readonly name: string; readonly count: number; readonly offset: Offset | undefined }
  /** Found `name` with `count` records at `offset`. */
  | { readonly kind: "read"; readonly name: string; readonly count: number; readonly offset: Offset }
  /** Was told where the log ends. */
  | { readonly kind: "end"; readonly offset: Offset };

export type Verdict = "linearizable" | "not linearizable" | "undecided";

interface Entry {
  readonly name: string;
  readonly offset: Offset;
  readonly count: number;
}

/** The log so far. Only what is appended can change it, so a copy is a longer list. */
interface Log {
  readonly entries: readonly Entry[];
  readonly endOffset: Offset;
}

export const STEPS_MAX = 200_000;

/** "undecided" if the search has not come to an end after `stepsMax` steps. */
export function checkLinearizable(operations: readonly LogOperation[], stepsMax = STEPS_MAX): Verdict {
  // What is known comes first where both fit: the unknown only fills what the known leaves open.
  const known = operations.filter(({ endMs }) => endMs !== undefined).toSorted(byStart);
  const unknown = operations.filter(({ endMs }) => endMs === undefined).toSorted(byStart);
  return new Search([...known, ...unknown], known.length, stepsMax).run();
}

function byStart(a: LogOperation, b: LogOperation): number {
  return a.startMs - b.startMs;
}

interface Frame {
  /** Whose turn it was, as index into the operations. */
  readonly index: number;
  readonly logBefore: Log;
}

class Search {
  readonly #operations: readonly LogOperation[];
  readonly #knownCount: number;
  readonly #stepsMax: number;
  readonly #isDone: boolean[];
  readonly #seenNames: ReadonlySet<string>;
  /** Where these stand follows from which of them are done. */
  readonly #knownNames: ReadonlySet<string>;
  readonly #visited = new Set<string>();
  readonly #stack: Frame[] = [];
  #log: Log = { entries: [], endOffset: 0 };
  #first = 0;

  constructor(operations: readonly LogOperation[], knownCount: number, stepsMax: number) {
    this.#operations = operations;
    this.#knownCount = knownCount;
    this.#stepsMax = stepsMax;
    this.#isDone = operations.map(() => false);
    this.#seenNames = new Set(operations.flatMap((each) => (each.kind === "read" ? [each.name] : [])));
    const known = operations.slice(0, knownCount);
    this.#knownNames = new Set(known.flatMap((each) => (each.kind === "append" ? [each.name] : [])));
  }

  run(): Verdict {
    let from = 0;
    for (let step = 0; step < this.#stepsMax; step++) {
      if (this.#isFinished()) return "linearizable";
      const next = this.#nextFrom(Math.max(from, this.#first));
      if (next !== undefined) {
        this.#take(next.index, next.log);
        from = 0;
        continue;
      }
      const back = this.#stack.pop();
      if (back === undefined) return "not linearizable";
      this.#isDone[back.index] = false;
      this.#first = Math.min(this.#first, back.index);
      this.#log = back.logBefore;
      from = back.index + 1;
    }
    return "undecided";
  }

  /** Whatever is left may never have happened. */
  #isFinished(): boolean {
    return this.#first >= this.#knownCount;
  }

  /** The next operation, from index `from` on, that may come now, does what it says, and leads to something new. */
  #nextFrom(from: number): { readonly index: number; readonly log: Log } | undefined {
    const deadlineMs = this.#earliestEnd();
    for (let index = from; index < this.#operations.length; index++) {
      const operation = this.#operations[index];
      if (operation === undefined || this.#isDone[index] === true) continue;
      // One that has ended before this one began comes first.
      if (operation.startMs > deadlineMs) continue;
      const log = applied(this.#log, operation);
      if (log !== undefined && this.#isNew(index, log)) return { index, log };
    }
    return undefined;
  }

  #earliestEnd(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (let index = this.#first; index < this.#knownCount; index++) {
      const operation = this.#operations[index];
      if (operation === undefined || this.#isDone[index] === true) continue;
      if (operation.startMs > earliest) break;
      if (operation.endMs !== undefined && operation.endMs < earliest) earliest = operation.endMs;
    }
    return earliest;
  }

  /** Unknown ones of one size that nobody saw are alike: whichever has happened, the others still may. */
  #isNew(index: number, log: Log): boolean {
    const done: number[] = [];
    let first = this.#first;
    while (this.#isDone[first] === true || first === index) first++;
    for (let at = first; at < this.#knownCount; at++) if (this.#isDone[at] === true || at === index) done.push(at);
    const seen: string[] = [];
    const unseen: number[] = [];
    for (const { name, offset, count } of log.entries) {
      if (this.#seenNames.has(name)) seen.push(`${name}@${offset}`);
      else if (!this.#knownNames.has(name)) unseen.push(count);
    }
    const key = `${first}|${done.join()}|${log.endOffset}|${seen.join()}|${unseen.sort((x, y) => x - y).join()}`;
    if (this.#visited.has(key)) return false;
    this.#visited.add(key);
    return true;
  }

  #take(index: number, log: Log): void {
    this.#stack.push({ index, logBefore: this.#log });
    this.#isDone[index] = true;
    this.#log = log;
    while (this.#isDone[this.#first] === true) this.#first++;
  }
}

/** The log after the operation; undefined if its answer does not fit. */
function applied(log: Log, operation: LogOperation): Log | undefined {
  switch (operation.kind) {
    case "append": {
      const { name, count } = operation;
      const offset = operation.offset ?? log.endOffset;
      if (offset !== log.endOffset) return undefined;
      return { entries: [...log.entries, { name, offset, count }], endOffset: offset + count };
    }
    case "read": {
      const entry = log.entries.find((each) => each.offset === operation.offset);
      return entry?.name === operation.name && entry.count === operation.count ? log : undefined;
    }
    case "end":
      return operation.offset === log.endOffset ? log : undefined;
  }
}
