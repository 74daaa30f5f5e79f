import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { oneTopic } from "#lib/client/topic-metadata.ts";
import { TopicProducer } from "#lib/client/topic-producer.ts";
import { type ReadPosition, readTopic } from "#lib/client/topic-reader.ts";
import { clock } from "../../adapters/aws/emulator.ts";

/** Too large for a journal's record, so that every record is in buckets. */
const PADDING = "x".repeat(10_000);
const PAUSE_MS = 50;
/** Longer than any outage here. */
const TRY_MS = 120_000;

export interface TrafficOptions {
  /** Producers and the consumer have connections of their own: answers of one connection come in the order of its requests. */
  readonly newClient: () => KafkaClient;
  readonly topic: string;
  readonly partitions: number;
}

/**
 * One idempotent producer a partition, acks=all, which sends numbered records one after the other, and one consumer that
 * reads them all while they come and fails at the first that is not the next one.
 */
export class Traffic implements AsyncDisposable {
  readonly #options: TrafficOptions;
  readonly #producers: KafkaClient;
  readonly #consumer: KafkaClient;
  readonly #stopping = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #producing: readonly Promise<void>[];
  readonly #consuming: Promise<void>;
  /** By partition. */
  readonly acknowledged: number[];
  readonly seen: number[];
  /** When the last acknowledgement came, by partition, and the longest time between two. */
  readonly #ackedAtMs: number[];
  readonly #longestMs: number[];
  #failure: unknown;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#producers = options.newClient();
    this.#consumer = options.newClient();
    const zeros = () => Array.from({ length: options.partitions }, () => 0);
    this.acknowledged = zeros();
    this.seen = zeros();
    this.#longestMs = zeros();
    this.#ackedAtMs = zeros().map(() => performance.now());
    this.#producing = this.acknowledged.map((_, partition) => this.#noticed(this.#produce(partition)));
    this.#consuming = this.#noticed(this.#consume());
  }

  /** Waits until each partition has so many more acknowledgements, and the consumer has seen what was acknowledged by then. */
  async goesOn(records: number, msMax: number): Promise<void> {
    const due = this.acknowledged.map((count) => count + records);
    const have = (counts: readonly number[]) => counts.every((count, at) => count >= (due[at] ?? 0));
    await this.#until(() => have(this.acknowledged) && have(this.seen), msMax);
  }

  /** The longest time that a partition was without an acknowledgement since this was last asked. */
  longestPauseMs(): number {
    const nowMs = performance.now();
    const open = this.#ackedAtMs.map((ackedAtMs) => nowMs - ackedAtMs);
    const longest = Math.max(...this.#longestMs, ...open);
    this.#longestMs.fill(0);
    return longest;
  }

  /** Ends the producers with their next acknowledgements, and the consumer when it has seen all of them. */
  async finish(msMax: number): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#producing);
    await this.#until(() => this.seen.every((count, at) => count === this.acknowledged[at]), msMax);
    this.#giveUp.abort();
    await this.#consuming;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#giveUp.abort();
    await Promise.all([...this.#producing, this.#consuming]);
    await this.#producers[Symbol.asyncDispose]();
    await this.#consumer[Symbol.asyncDispose]();
  }

  /** Fails as the traffic does. */
  async #until(isDone: () => boolean, msMax: number): Promise<void> {
    const giveUpAtMs = performance.now() + msMax;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (isDone()) return;
      if (performance.now() > giveUpAtMs) {
        throw new Error(`after ${msMax} ms ${this.acknowledged} were acknowledged and ${this.seen} seen`);
      }
      await clock.sleep(PAUSE_MS);
    }
  }

  async #noticed(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (this.#giveUp.signal.aborted) return;
      this.#failure ??= error;
      this.#stopping.abort();
    }
  }

  async #produce(partition: number): Promise<void> {
    const { topic } = this.#options;
    const signal = this.#giveUp.signal;
    const producer = await TopicProducer.open(this.#producers, {
      topic,
      acks: -1,
      isIdempotent: true,
      codec: "none",
      timeoutMs: TRY_MS,
      signal,
    });
    for (let number = 0; !this.#stopping.signal.aborted; number++) {
      const value = Buffer.from(`${partition}-${number} ${PADDING}`);
      await producer.append({ timestampMs: Date.now(), key: null, value }, partition);
      await producer.flush();
      this.acknowledged[partition] = number + 1;
      const nowMs = performance.now();
      const sinceMs = nowMs - (this.#ackedAtMs[partition] ?? nowMs);
      this.#longestMs[partition] = Math.max(this.#longestMs[partition] ?? 0, sinceMs);
      this.#ackedAtMs[partition] = nowMs;
      await clock.sleep(PAUSE_MS);
    }
  }

  async #consume(): Promise<void> {
    const { topic: name, partitions } = this.#options;
    const positions = new Map<number, ReadPosition>();
    for (let partition = 0; partition < partitions; partition++) positions.set(partition, { next: 0, end: undefined });
    const signal = this.#giveUp.signal;
    const topic = await oneTopic(this.#consumer, name, { timeoutMs: TRY_MS, signal });
    for await (const records of readTopic(this.#consumer, topic, { positions, timeoutMs: TRY_MS, signal })) {
      for (const { partition, record } of records) {
        const due = this.seen[partition] ?? 0;
        const value = Buffer.from(record.value ?? []).toString();
        if (record.offset !== due || !value.startsWith(`${partition}-${due} `)) {
          throw new Error(
            `offset ${record.offset} of partition ${partition} holds ${value.slice(0, 20)}, ${due} was due`,
          );
        }
        this.seen[partition] = due + 1;
      }
    }
  }
}
