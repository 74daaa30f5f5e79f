import { DIRECT_AGAIN_BYTES_PER_MS_MIN, DIRECT_PACE_BYTES } from "#lib/util/limits.ts";

/** How fast a disk gives what is read past the page cache, over the time in which it is asked for anything. */
export class ReadPace {
  #underWay = 0;
  #askedSinceMs = 0;
  #askedMs = 0;
  #bytes = 0;
  /** Until enough has been read to know. */
  #isFast = true;

  /** Whether a page cache would give it hardly any sooner. */
  get isFast(): boolean {
    return this.#isFast;
  }

  begin(nowMs: number): void {
    if (this.#underWay === 0) this.#askedSinceMs = nowMs;
    this.#underWay++;
  }

  /** `bytes`: 0 if it failed. */
  end(bytes: number, nowMs: number): void {
    this.#underWay--;
    this.#bytes += bytes;
    this.#askedMs += nowMs - this.#askedSinceMs;
    this.#askedSinceMs = nowMs;
    if (this.#bytes < DIRECT_PACE_BYTES) return;
    this.#isFast = this.#bytes >= this.#askedMs * DIRECT_AGAIN_BYTES_PER_MS_MIN;
    this.#bytes = 0;
    this.#askedMs = 0;
  }
}
