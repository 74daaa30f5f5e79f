import { randomBytes, randomInt } from "node:crypto";
import type { Random } from "#lib/runtime/random.ts";

/** The operating system's randomness. */
export class SystemRandom implements Random {
  bytes(count: number): Uint8Array {
    return randomBytes(count);
  }

  below(bound: number): number {
    return randomInt(bound);
  }
}
