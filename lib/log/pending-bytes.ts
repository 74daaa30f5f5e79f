import { type Deferred, deferred } from "#lib/runtime/deferred.ts";

/** Counts what waits for its commit, and wakes those who wait for it to become less. */
export class PendingBytes {
  readonly #limitBytes: number;
  #byteLength = 0;
  #count = 0;
  #belowLimit: Deferred<void> | undefined;
  #empty: Deferred<void> | undefined;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  add(byteLength: number): void {
    this.#byteLength += byteLength;
    this.#count++;
  }

  remove(byteLength: number): void {
    this.#byteLength -= byteLength;
    this.#count--;
    if (this.#belowLimit !== undefined && this.#byteLength < this.#limitBytes) {
      this.#belowLimit.resolve();
      this.#belowLimit = undefined;
    }
    if (this.#empty !== undefined && this.#count === 0) {
      this.#empty.resolve();
      this.#empty = undefined;
    }
  }

  whenBelowLimit(): Promise<void> {
    if (this.#byteLength < this.#limitBytes) return Promise.resolve();
    this.#belowLimit ??= deferred<void>();
    return this.#belowLimit.promise;
  }

  whenEmpty(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    this.#empty ??= deferred<void>();
    return this.#empty.promise;
  }
}
