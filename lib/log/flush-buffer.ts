import type { QueuedBatch } from "./append-request.ts";

export interface FlushLimits {
  readonly bytesMax: number;
  readonly batchesMax: number;
}

/** Batches in the order of their arrival, until a flush takes them. */
export class FlushBuffer {
  readonly #limits: FlushLimits;
  #batches: QueuedBatch[] = [];
  /** Where the first batch that no flush has taken stands. */
  #head = 0;
  #byteLength = 0;
  #count = 0;

  constructor(limits: FlushLimits) {
    this.#limits = limits;
  }

  /** Batches that wait; those dropped meanwhile do not count. */
  get count(): number {
    return this.#count;
  }

  /** Whether a flush could not take more than what is here. */
  get isFull(): boolean {
    return this.#byteLength >= this.#limits.bytesMax || this.#count >= this.#limits.batchesMax;
  }

  push(batch: QueuedBatch): void {
    this.#batches.push(batch);
    this.#byteLength += batch.byteLength;
    this.#count++;
  }

  /** Removes the oldest batches, as many as a flush may have, one at least if there is one; they are in flight now. */
  take(): QueuedBatch[] {
    const taken: QueuedBatch[] = [];
    let byteLength = 0;
    let head = this.#head;
    for (; head < this.#batches.length && taken.length < this.#limits.batchesMax; head++) {
      const batch = this.#batches[head];
      if (batch === undefined) continue;
      const isWaiting = batch.stage === "waiting";
      if (isWaiting && taken.length > 0 && byteLength + batch.byteLength > this.#limits.bytesMax) break;
      this.#byteLength -= batch.byteLength;
      this.#count--;
      if (!isWaiting) continue;
      batch.stage = "in-flight";
      byteLength += batch.byteLength;
      taken.push(batch);
    }
    this.#head = head;
    this.#shrink();
    return taken;
  }

  /** Lets go of batches that were settled while they waited. */
  dropSettled(): void {
    this.#batches = this.#batches.slice(this.#head).filter((batch) => batch.stage === "waiting");
    this.#head = 0;
    this.#count = this.#batches.length;
    this.#byteLength = this.#batches.reduce((sum, batch) => sum + batch.byteLength, 0);
  }

  #shrink(): void {
    if (this.#head === this.#batches.length) this.#batches = [];
    // Cut off rarely, so that taking stays cheap however long the queue is.
    else if (this.#head > this.#batches.length / 2) this.#batches = this.#batches.slice(this.#head);
    else return;
    this.#head = 0;
  }
}
