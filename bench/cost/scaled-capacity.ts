import type { Clock } from "#lib/runtime/clock.ts";

// DynamoDB's provisioned capacity and Application Auto Scaling's target tracking of it, as AWS documents them:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html

export interface CapacityBounds {
  readonly min: number;
  readonly max: number;
  readonly targetPercent: number;
}

/** What was not used is kept for so long. */
const BURST_SECONDS = 300;
const MINUTE_MS = 60_000;
/** The load must be above its target for so many minutes in a row, or well below it. */
const HIGH_MINUTES = 2;
const LOW_MINUTES = 15;
const LOW_PERCENT_BELOW_TARGET = 20;
/** From the alarm until the table has its new capacity. */
const LAG_MINUTES = 2;

/** Write or read units of one table: who takes more than there is, burst included, is throttled. */
export class ScaledCapacity {
  readonly #clock: Clock;
  readonly #bounds: CapacityBounds;
  #units: number;
  #left: number;
  #filledAtMs: number;
  #minute: number;
  /** Of the minutes that have ended, the newest last. */
  #usedByMinute: number[] = [];
  #usedThisMinute = 0;
  #next: { readonly minute: number; readonly units: number } | undefined;
  /** The most units a second that have stood since the last `reset`: an hour is charged by them. */
  peakUnits: number;
  throttled = 0;

  /** Begins at the least capacity, after an idle while. */
  constructor(clock: Clock, bounds: CapacityBounds) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#units = bounds.min;
    this.#left = bounds.min * BURST_SECONDS;
    this.peakUnits = bounds.min;
    this.#filledAtMs = clock.monotonicMs();
    this.#minute = this.#currentMinute();
  }

  get isScaled(): boolean {
    return this.#bounds.max > this.#bounds.min;
  }

  reset(): void {
    this.#pass();
    this.peakUnits = this.#units;
    this.throttled = 0;
  }

  /** Whether a request is let in; what it uses may be more than is left, for that is known only when it is done. */
  admits(): boolean {
    this.#pass();
    if (this.#left > 0) return true;
    this.throttled++;
    return false;
  }

  use(units: number): void {
    this.#pass();
    this.#left -= units;
    this.#usedThisMinute += units;
  }

  #currentMinute(): number {
    return Math.floor(this.#clock.monotonicMs() / MINUTE_MS);
  }

  #pass(): void {
    const nowMs = this.#clock.monotonicMs();
    const gained = (this.#units * (nowMs - this.#filledAtMs)) / 1_000;
    this.#left = Math.min(this.#units * BURST_SECONDS, this.#left + gained);
    this.#filledAtMs = nowMs;
    for (const minute = this.#currentMinute(); this.#minute < minute; this.#minute++) this.#endMinute();
  }

  #endMinute(): void {
    this.#usedByMinute = [...this.#usedByMinute, this.#usedThisMinute / 60].slice(-LOW_MINUTES);
    this.#usedThisMinute = 0;
    if (this.#next === undefined) this.#next = this.#wanted();
    if (this.#next === undefined || this.#next.minute > this.#minute) return;
    this.#units = this.#next.units;
    this.peakUnits = Math.max(this.peakUnits, this.#units);
    this.#next = undefined;
    this.#usedByMinute = [];
  }

  #wanted(): { readonly minute: number; readonly units: number } | undefined {
    const { min, max, targetPercent } = this.#bounds;
    const minutes = this.#usedByMinute;
    const high = (this.#units * targetPercent) / 100;
    const low = (this.#units * (targetPercent - LOW_PERCENT_BELOW_TARGET)) / 100;
    const recent = minutes.slice(-HIGH_MINUTES);
    const isHigh = recent.length === HIGH_MINUTES && recent.every((used) => used > high);
    const isLow = minutes.length === LOW_MINUTES && minutes.every((used) => used < low);
    if (!isHigh && !isLow) return undefined;
    const used = isHigh ? (recent.at(-1) ?? 0) : Math.max(...minutes);
    const units = Math.min(max, Math.max(min, Math.ceil((used * 100) / targetPercent)));
    return units === this.#units ? undefined : { minute: this.#minute + LAG_MINUTES, units };
  }
}
