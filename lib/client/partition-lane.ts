import { ErrorCode } from "#lib/protocol/error-code.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import type { CompressionCodec } from "#lib/record/compression-codec.ts";
import type { NewRecord } from "#lib/record/record.ts";
import { CLIENT_BATCH_BYTES_MAX } from "#lib/util/limits.ts";
import { KafkaError } from "./kafka-error.ts";

/** Length, attributes, deltas, lengths of key and value: more than most records need. */
const RECORD_OVERHEAD_BYTES = 24;
const SEQUENCES = 0x8000_0000;

export interface LaneOptions {
  readonly codec: CompressionCodec;
  /** Undefined: not idempotent. */
  readonly producer: { readonly producerId: number; readonly producerEpoch: number } | undefined;
  /** Sends one batch until it is acknowledged, or fails. */
  readonly send: (batch: Uint8Array) => Promise<void>;
  readonly onSent: (recordCount: number, byteLength: number) => void;
  readonly onFailed: (error: unknown) => void;
  /** Resolves when what comes in the same turn has come. */
  readonly endOfTurn: () => Promise<void>;
}

export function sizeOf(record: NewRecord): number {
  let byteLength = RECORD_OVERHEAD_BYTES + (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0);
  for (const header of record.headers ?? []) byteLength += 10 + header.key.length * 3 + (header.value?.byteLength ?? 0);
  return byteLength;
}

/**
 * The records of one partition, in order. One batch is under way at a time: what comes meanwhile becomes the next one,
 * and a batch that is sent again can never be overtaken.
 */
export class PartitionLane {
  readonly #options: LaneOptions;
  #waiting: NewRecord[] = [];
  #running: Promise<void> | undefined;
  #sequence = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  add(record: NewRecord): void {
    this.#waiting.push(record);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing waits and nothing is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#options.endOfTurn();
      while (this.#waiting.length > 0) await this.#send(this.#take());
    } catch (error) {
      this.#waiting = [];
      this.#options.onFailed(error);
    } finally {
      this.#running = undefined;
    }
  }

  #take(): readonly NewRecord[] {
    let byteLength = 0;
    let count = 0;
    for (const record of this.#waiting) {
      byteLength += sizeOf(record);
      if (count > 0 && byteLength > CLIENT_BATCH_BYTES_MAX) break;
      count++;
    }
    if (count === this.#waiting.length) {
      const taken = this.#waiting;
      this.#waiting = [];
      return taken;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(records: readonly NewRecord[]): Promise<void> {
    const { codec, producer } = this.#options;
    const batch = buildBatch(records, {
      codec,
      ...(producer === undefined ? {} : { producer: { ...producer, baseSequence: this.#sequence } }),
    });
    try {
      await this.#options.send(batch);
    } catch (error) {
      const isTooLarge = error instanceof KafkaError && error.code === ErrorCode.MESSAGE_TOO_LARGE;
      if (!isTooLarge || records.length === 1) throw error;
      // The topic takes less than Kafka's default. Nothing of it was written, so its halves begin where it did.
      const half = records.length >>> 1;
      await this.#send(records.slice(0, half));
      await this.#send(records.slice(half));
      return;
    }
    this.#sequence = (this.#sequence + records.length) % SEQUENCES;
    this.#options.onSent(
      records.length,
      records.reduce((sum, record) => sum + sizeOf(record), 0),
    );
  }
}
