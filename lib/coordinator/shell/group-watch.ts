import type { Clock, ScheduledCall } from "#lib/runtime/clock.ts";
import { EXPIRY_RETRY_MS, TIMER_MS_MAX } from "#lib/util/limits.ts";
import type { Expiry } from "../classic-expiries.ts";

export interface GroupWatchOptions {
  readonly clock: Clock;
  /** What may expire in the group by the state as folded so far. */
  readonly expiries: () => readonly Expiry[];
  /** Brings the state up to what other processes have committed, then calls `refresh`. */
  readonly catchUp: () => Promise<void>;
  /** Proposes the expiry's command. */
  readonly expire: (expiry: Expiry) => Promise<void>;
  readonly failed: (error: unknown) => void;
  /** Nothing can expire any more: the watch may be forgotten. */
  readonly idle: () => void;
}

export interface WatchedMember {
  readonly memberId: string;
  /** Of the expiry of its session. */
  readonly key: string;
  readonly sessionTimeoutMs: number;
}

interface SeenExpiry {
  readonly atMs: number;
  readonly afterMs: number;
}

/** Groups with fewer expiries are looked at after every change; larger ones now and then, for a look costs as many. */
const SMALL_GROUP_EXPIRIES = 50;
const LOOK_SPACING_MS_PER_EXPIRY = 0.05;

/**
 * What one process has observed of one group, and the timer that follows from it: each expiry runs from when this process
 * first saw its key, on the monotonic clock. A member that talks to this process is known by its requests, journaled or
 * not; of all others only the journal tells. It does so once in a third of the session time-out of a member that stays where
 * it is, and in two thirds of one that changes the process (`mustShow`), so they get a third longer than the time-out.
 * A time-out that is shortened counts from the next key on: the member still beats at the pace that it was told.
 *
 *   fold -> refresh(): keys that are new are seen now --> timer for the earliest --> catch up, look again, propose
 */
export class GroupWatch {
  readonly #options: GroupWatchOptions;
  #expiries: readonly Expiry[] = [];
  /** When each key was first seen, and the longest time that it was given since. */
  #seen = new Map<string, SeenExpiry>();
  /** When each key may be tried again, for those that were tried in vain. */
  readonly #retryAtMs = new Map<string, number>();
  /** When a member last sent something to this process. */
  readonly #heardAtMs = new Map<string, number>();
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #look: ScheduledCall | undefined;
  #timer: ScheduledCall | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #isExpiring = false;
  #isClosed = false;

  constructor(options: GroupWatchOptions) {
    this.#options = options;
  }

  /**
   * Whether the journal is to show a member alive that is heard from now: a third of its session time-out has passed since
   * this process first saw the record that does, or since it last heard from the member. A member that comes from another
   * process may have been shown long before this one learnt of it, and be on its way to yet another.
   */
  mustShow({ memberId, key, sessionTimeoutMs }: WatchedMember): boolean {
    const seenMs = this.#seen.get(key)?.atMs;
    // It was folded just now.
    if (seenMs === undefined) return false;
    const heardMs = this.#heardAtMs.get(memberId) ?? Number.NEGATIVE_INFINITY;
    return this.#options.clock.monotonicMs() - Math.min(seenMs, heardMs) >= sessionTimeoutMs / 3;
  }

  heard(memberId: string): void {
    this.#heardAtMs.set(memberId, this.#options.clock.monotonicMs());
  }

  /** The group has changed: looks at once, or before long if it is large and was looked at just now. */
  changed(): void {
    if (this.#look !== undefined || this.#isClosed) return;
    const { length } = this.#expiries;
    const spacingMs = length < SMALL_GROUP_EXPIRIES ? 0 : length * LOOK_SPACING_MS_PER_EXPIRY;
    const waitMs = this.#refreshedAtMs + spacingMs - this.#options.clock.monotonicMs();
    if (waitMs <= 0) this.refresh();
    else this.#look = this.#options.clock.schedule(waitMs, () => this.refresh());
  }

  refresh(): void {
    if (this.#isClosed) return;
    this.#look?.cancel();
    this.#look = undefined;
    const nowMs = this.#options.clock.monotonicMs();
    this.#refreshedAtMs = nowMs;
    this.#expiries = this.#options.expiries();
    const seen = new Map<string, SeenExpiry>();
    for (const { key, afterMs } of this.#expiries) {
      const before = this.#seen.get(key);
      seen.set(
        key,
        before !== undefined && before.afterMs >= afterMs ? before : { atMs: before?.atMs ?? nowMs, afterMs },
      );
    }
    this.#seen = seen;
    for (const key of this.#retryAtMs.keys()) if (!seen.has(key)) this.#retryAtMs.delete(key);
    if (this.#expiries.length === 0) this.#heardAtMs.clear();
    else if (this.#heardAtMs.size > this.#expiries.length * 2) this.#forgetGone();
    this.#arm();
    if (this.#expiries.length === 0 && !this.#isExpiring) this.#options.idle();
  }

  /** Expires what is overdue and waits for it: for a process whose timers stand still between two calls. */
  async expireOverdue(): Promise<void> {
    this.refresh();
    if (!this.#isClosed && !this.#isExpiring && this.#due().length > 0) await this.#expireDue();
  }

  close(): void {
    this.#isClosed = true;
    this.#look?.cancel();
    this.#timer?.cancel();
  }

  #forgetGone(): void {
    const memberIds = new Set(this.#expiries.map((expiry) => memberOf(expiry)));
    for (const memberId of this.#heardAtMs.keys()) if (!memberIds.has(memberId)) this.#heardAtMs.delete(memberId);
  }

  #dueMs(expiry: Expiry): number {
    const { key } = expiry;
    const { atMs: seenMs, afterMs } = this.#seen.get(key) ?? { atMs: 0, afterMs: expiry.afterMs };
    const retryMs = this.#retryAtMs.get(key) ?? 0;
    const memberId = memberOf(expiry);
    if (memberId === undefined) return Math.max(seenMs + afterMs, retryMs);
    const heardMs = this.#heardAtMs.get(memberId);
    const isOurs = heardMs !== undefined && heardMs >= seenMs;
    return Math.max(isOurs ? heardMs + afterMs : seenMs + (afterMs * 4) / 3, retryMs);
  }

  #arm(): void {
    if (this.#isClosed || this.#isExpiring) return;
    let dueMs = Number.POSITIVE_INFINITY;
    for (const expiry of this.#expiries) dueMs = Math.min(dueMs, this.#dueMs(expiry));
    // A timer that rings too early looks again; so a member that was heard costs nothing here.
    if (this.#timer !== undefined && this.#timerDueMs <= dueMs && this.#expiries.length > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#timerDueMs = dueMs;
    const waitMs = Math.min(dueMs - this.#options.clock.monotonicMs(), TIMER_MS_MAX);
    this.#timer = this.#options.clock.schedule(waitMs, () => this.#ring());
  }

  #ring(): void {
    this.#timer = undefined;
    if (this.#isClosed) return;
    if (this.#due().length === 0) this.#arm();
    else void this.#expireDue();
  }

  #due(): readonly Expiry[] {
    const nowMs = this.#options.clock.monotonicMs();
    return this.#expiries.filter((expiry) => this.#dueMs(expiry) <= nowMs);
  }

  async #expireDue(): Promise<void> {
    this.#isExpiring = true;
    let tried = this.#due();
    try {
      await this.#options.catchUp();
      tried = this.#due();
      await Promise.all(tried.map((expiry) => this.#options.expire(expiry)));
    } catch (error) {
      this.#options.failed(error);
    } finally {
      const nowMs = this.#options.clock.monotonicMs();
      // Whatever is still there then has failed, or must go on as it is.
      for (const { key } of tried) this.#retryAtMs.set(key, nowMs + EXPIRY_RETRY_MS);
      this.#isExpiring = false;
      this.refresh();
    }
  }
}

function memberOf({ command }: Expiry): string | undefined {
  // An instance is known by the name of its member.
  if (command.kind === "expire-instance") return command.instanceId;
  return command.kind === "expire-member" ? command.memberId : undefined;
}
