import { partitionOfKey } from "#lib/client/murmur2.ts";
import type { Random } from "#lib/runtime/random.ts";

/**
 * The partition of each record that names none: by its key as Kafka's Java clients place it, so that a key's records stay
 * together whoever produces them. Records without a key share one partition for the request, chosen at random: fewer and
 * larger batches.
 */
export class Partitioner {
  readonly #partitionCount: number;
  readonly #random: Random;
  #sticky: number | undefined;

  constructor(partitionCount: number, random: Random) {
    this.#partitionCount = partitionCount;
    this.#random = random;
  }

  partitionOf(key: Uint8Array | null): number {
    if (key !== null) return partitionOfKey(key, this.#partitionCount);
    this.#sticky ??= this.#random.below(this.#partitionCount);
    return this.#sticky;
  }
}
