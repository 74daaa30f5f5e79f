import { randomFillSync, randomInt } from "node:crypto";
import type { Random } from "#lib/runtime/random.ts";

/** Drawn at once: a call for 16 bytes costs as much as one for thousands. */
const POOL_BYTES = 4_096;

/** The operating system's randomness. */
export class SystemRandom implements Random {
  #pool = new Uint8Array(0);
  #used = 0;

  bytes(count: number): Uint8Array {
    if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count));
    if (this.#used + count > this.#pool.byteLength) {
      this.#pool = randomFillSync(new Uint8Array(POOL_BYTES));
      this.#used = 0;
    }
    // A copy: what is handed out must not keep the pool alive, and nobody may reach the next bytes through it.
    const bytes = this.#pool.slice(this.#used, this.#used + count);
    this.#used += count;
    return bytes;
  }

  below(bound: number): number {
    return randomInt(bound);
  }
}
