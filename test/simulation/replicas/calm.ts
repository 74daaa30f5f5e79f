import type { Scheduler } from "../scheduler.ts";

/** Keeps since when nothing has been wrong: no store or way to one in trouble, nobody frozen or away. */
export class Calm {
  readonly #scheduler: Scheduler;
  readonly #causes = new Set<unknown>();
  readonly #endListeners: (() => void)[] = [];
  #sinceMs = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** For how long by now; 0 while something is wrong. */
  get lastedMs(): number {
    return this.#causes.size > 0 ? 0 : this.#scheduler.elapsedMs - this.#sinceMs;
  }

  begin(cause: unknown): void {
    if (this.#causes.size === 0) for (const listener of this.#endListeners) listener();
    this.#causes.add(cause);
  }

  end(cause: unknown): void {
    if (this.#causes.delete(cause) && this.#causes.size === 0) this.#sinceMs = this.#scheduler.elapsedMs;
  }

  /** Whatever was wrong is not any more. */
  endAll(): void {
    this.#causes.clear();
    this.#sinceMs = this.#scheduler.elapsedMs;
  }

  /** Called each time when it is over, before it is. */
  onOver(listener: () => void): void {
    this.#endListeners.push(listener);
  }
}
