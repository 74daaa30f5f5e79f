import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { Scheduler } from "./scheduler.ts";

export interface HostOptions {
  readonly name: string;
  readonly random: SeededRandom;
  /** How far its wall clock is ahead of the true time. */
  readonly skewMs: number;
  /** Whether its monotonic clock stands still while it is frozen, as a suspended machine's does. */
  readonly stopsMonotonic: boolean;
}

/**
 * One process of the world. Whatever wakes its code, a timer or an answer, comes in through `deliver`: a frozen host
 * gets it when it thaws, a dead one never, so both stop at whichever await they had reached.
 */
export class Host {
  readonly name: string;
  readonly random: SeededRandom;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly #options: HostOptions;
  readonly #bornMs: number;
  #state: "running" | "frozen" | "dead" = "running";
  #held: (() => void)[] = [];
  #frozenMs = 0;
  #frozenSinceMs = 0;
  readonly #deathListeners: (() => void)[] = [];
  readonly #thawListeners: (() => void)[] = [];

  constructor(scheduler: Scheduler, options: HostOptions) {
    this.scheduler = scheduler;
    this.#options = options;
    this.name = options.name;
    this.random = options.random;
    this.#bornMs = scheduler.elapsedMs;
    this.clock = new HostClock(this);
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  get isFrozen(): boolean {
    return this.#state === "frozen";
  }

  get wallMs(): TimestampMs {
    return this.scheduler.nowMs + this.#options.skewMs;
  }

  get monotonicMs(): number {
    const aliveMs = this.scheduler.elapsedMs - this.#bornMs;
    return this.#options.stopsMonotonic ? aliveMs - this.#frozenMs : aliveMs;
  }

  /** Runs `action` in the host after `delayMs`, or when it thaws; never if it dies. */
  deliver(delayMs: number, action: () => void): ScheduledCall {
    let isCancelled = false;
    const run = (): void => {
      if (!isCancelled) action();
    };
    const arrive = (): void => {
      if (this.#state === "dead" || isCancelled) return;
      if (this.#state === "frozen") this.#held.push(arrive);
      else run();
    };
    this.scheduler.schedule(delayMs, arrive);
    return {
      cancel: () => {
        isCancelled = true;
      },
    };
  }

  freeze(ms: number): void {
    if (this.#state !== "running") return;
    this.scheduler.trace(`${this.name} freezes`);
    this.#state = "frozen";
    this.#frozenSinceMs = this.scheduler.elapsedMs;
    this.scheduler.schedule(ms, () => this.thaw());
  }

  thaw(): void {
    if (this.#state !== "frozen") return;
    this.scheduler.trace(`${this.name} thaws`);
    this.#state = "running";
    this.#frozenMs += this.scheduler.elapsedMs - this.#frozenSinceMs;
    const held = this.#held;
    this.#held = [];
    // One after another, each with all that it wakes: as a process finds its timers and sockets when it runs again.
    for (const arrive of held) this.scheduler.schedule(0, arrive);
    for (const listener of this.#thawListeners) listener();
  }

  /** Ends the host at the await where it stands. What it has sent may still arrive. */
  kill(): void {
    if (this.#state === "dead") return;
    this.scheduler.trace(`${this.name} dies`);
    this.#state = "dead";
    this.#held = [];
    for (const listener of this.#deathListeners) listener();
  }

  onThaw(listener: () => void): void {
    this.#thawListeners.push(listener);
  }

  onDeath(listener: () => void): void {
    this.#deathListeners.push(listener);
  }
}

class HostClock implements Clock {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  nowMs(): TimestampMs {
    return this.#host.wallMs;
  }

  monotonicMs(): number {
    return this.#host.monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        call.cancel();
        reject(signal?.reason);
      };
      const call = this.schedule(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  schedule(ms: number, action: () => void): ScheduledCall {
    // As every real timer: a millisecond at least, so that rounding never makes one that does not let time pass.
    const delayMs = ms > 0 ? Math.max(1, ms) : 0;
    const dueMs = this.monotonicMs() + delayMs;
    let isCancelled = false;
    const fire = (): void => {
      if (isCancelled) return;
      const leftMs = dueMs - this.monotonicMs();
      // The monotonic clock stood still for a while.
      if (leftMs > 0.001) this.#host.deliver(leftMs, fire);
      else action();
    };
    const call = this.#host.deliver(delayMs, fire);
    return {
      cancel: () => {
        isCancelled = true;
        call.cancel();
      },
    };
  }

  endOfTurn(): Promise<void> {
    return new Promise((resolve) => {
      this.#host.deliver(0, resolve);
    });
  }
}
