import { LogError } from "#lib/util/errors.ts";
import type { FlushPart } from "./flush-plan.ts";
import type { SequenceGaps } from "./sequence-gaps.ts";

/** A flush behind another one of its lane was withdrawn, because that one failed and its batches come first. */
export class FlushWithdrawnError extends LogError {
  override readonly name = "FlushWithdrawnError";
  override readonly kind = "unavailable";
}

/** A flush's place in the order of its lane. */
export interface LaneTurn {
  /**
   * Calls `action`, in the same turn of the event loop if possible, when all that came before it in the lane has been
   * proposed or given up. Called once; what comes behind waits for it.
   */
  run<T>(action: () => T): Promise<T>;
}

interface Turn {
  action: (() => void) | undefined;
  isFirst: boolean;
  next: Turn | undefined;
}

/** A command that stands in its lane or is in flight. */
export interface Proposed extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Keeps the commands of a lane in order before they are proposed, when batches may still be left out of them; and
 * withdraws proposed ones whose batches must not be committed any more (J7).
 */
export class FlushLanes {
  readonly #gaps: SequenceGaps;
  readonly #last = new Map<string, Turn>();
  readonly #proposed = new Map<readonly FlushPart[], AbortController>();
  #sweptRevision = 0;
  #isSweepDue = false;

  constructor(gaps: SequenceGaps) {
    this.#gaps = gaps;
  }

  takeTurn(lane: string): LaneTurn {
    const turn: Turn = { action: undefined, isFirst: false, next: undefined };
    const last = this.#last.get(lane);
    if (last === undefined) turn.isFirst = true;
    else last.next = turn;
    this.#last.set(lane, turn);
    return {
      run: (action) =>
        new Promise((resolve, reject) => {
          turn.action = () => {
            try {
              resolve(action());
            } catch (error) {
              reject(error);
            }
          };
          this.#advance(lane, turn);
        }),
    };
  }

  /** The signal to propose a command of these parts with. To be disposed of when the command is settled. */
  propose(parts: readonly FlushPart[], parent: AbortSignal): Proposed {
    const controller = new AbortController();
    const onAbort = () => controller.abort(parent.reason);
    parent.addEventListener("abort", onAbort, { once: true });
    this.#proposed.set(parts, controller);
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        this.#proposed.delete(parts);
        parent.removeEventListener("abort", onAbort);
      },
    };
  }

  /** Withdraws commands with batches that are held back by now. To be called when a proposed command has failed. */
  withdrawHeldBack(): void {
    if (this.#isSweepDue || this.#gaps.revision === this.#sweptRevision) return;
    this.#isSweepDue = true;
    // Once for all that fail together, and long before the committer takes more from the lanes.
    void Promise.resolve().then(() => {
      this.#isSweepDue = false;
      this.#sweep();
    });
  }

  #advance(lane: string, first: Turn): void {
    let turn: Turn | undefined = first;
    while (turn?.isFirst === true && turn.action !== undefined) {
      turn.action();
      if (turn.next === undefined) this.#last.delete(lane);
      else turn.next.isFirst = true;
      turn = turn.next;
    }
  }

  #sweep(): void {
    this.#sweptRevision = this.#gaps.revision;
    for (const [parts, controller] of this.#proposed) {
      if (controller.signal.aborted) continue;
      if (!parts.some(({ batches }) => batches.some((batch) => this.#gaps.holdsBack(batch)))) continue;
      controller.abort(new FlushWithdrawnError("a flush before it in its lane failed"));
    }
  }
}
