import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { CompressionCodec } from "#lib/record/compression-codec.ts";
import type { NewRecord } from "#lib/record/record.ts";
import { type Deferred, deferred } from "#lib/runtime/deferred.ts";
import { defined } from "#lib/util/assert.ts";
import { CLIENT_BATCH_BYTES_MAX, CLIENT_BUFFER_BYTES_MAX, CLIENT_REQUEST_MS_MAX } from "#lib/util/limits.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { assertNoError, KafkaError } from "./kafka-error.ts";
import { partitionOfKey } from "./murmur2.ts";
import { PartitionLane, sizeOf } from "./partition-lane.ts";
import { leaderOf, oneTopic, type TopicMetadata } from "./topic-metadata.ts";

export interface ProducerOptions {
  readonly topic: string;
  /** -1: all in-sync replicas; 0: nobody answers. */
  readonly acks: -1 | 0 | 1;
  /** Takes acks -1. A batch sent again after a lost answer is stored once then. */
  readonly isIdempotent: boolean;
  readonly codec: CompressionCodec;
  /** How long one batch is tried, retriable errors included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called before a batch is sent again. */
  readonly onRetry?: (error: Error) => void;
}

/**
 * Produces to one topic, in order in each partition. Holds a bounded number of bytes.
 */
export class TopicProducer {
  readonly #client: KafkaClient;
  readonly #options: ProducerOptions;
  readonly #stop = new AbortController();
  readonly #lanes: readonly PartitionLane[];
  #topic: TopicMetadata;
  #refreshing: Promise<void> | undefined;
  #bufferedBytes = 0;
  #room: Deferred<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #sticky = 0;
  #stickyBytes = 0;
  /** Acknowledged so far. */
  recordCount = 0;

  /** Fails with `KafkaError` if the topic is not there, and with `ConnectionLostError`. */
  static async open(client: KafkaClient, options: ProducerOptions): Promise<TopicProducer> {
    const { signal, timeoutMs } = options;
    const topic = await oneTopic(client, options.topic, { signal, timeoutMs: Math.min(timeoutMs, 5_000) });
    if (!options.isIdempotent || options.acks !== -1) return new TopicProducer(client, topic, options, undefined);
    const producer = await client.retrying(async () => {
      const request = { transactionalId: null, transactionTimeoutMs: 60_000 };
      const answer = await client.send(Apis.INIT_PRODUCER_ID, request, { signal });
      assertNoError(answer.errorCode, "a producer id");
      return { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    }, options);
    return new TopicProducer(client, topic, options, producer);
  }

  private constructor(
    client: KafkaClient,
    topic: TopicMetadata,
    options: ProducerOptions,
    producer: { readonly producerId: number; readonly producerEpoch: number } | undefined,
  ) {
    this.#client = client;
    this.#topic = topic;
    this.#options = options;
    this.#lanes = topic.partitions.map(
      ({ index }) =>
        new PartitionLane({
          codec: options.codec,
          producer,
          send: (batch) => this.#send(index, batch),
          onSent: (recordCount, byteLength) => this.#release(recordCount, byteLength),
          onFailed: (error) => this.#fail(error),
          endOfTurn: () => client.clock.endOfTurn(),
        }),
    );
  }

  get partitionCount(): number {
    return this.#lanes.length;
  }

  /**
   * Queues a record for `partition`, or for the one that its key names, or for whichever is filled at the moment.
   * Answers a promise to wait for if enough is buffered. Fails as the first batch failed.
   */
  append(record: NewRecord, partition?: number): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error;
    const byteLength = sizeOf(record);
    const index = partition ?? this.#partitionFor(record, byteLength);
    defined(this.#lanes[index], `partition ${index}`).add(record);
    this.#bufferedBytes += byteLength;
    if (this.#bufferedBytes < CLIENT_BUFFER_BYTES_MAX) return undefined;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  /** Resolves when every record is acknowledged. Fails as the first batch failed. */
  async flush(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.idle()));
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #partitionFor(record: NewRecord, byteLength: number): number {
    if (record.key !== null) return partitionOfKey(record.key, this.#lanes.length);
    // Records without a key stay with one partition for a batch (KIP-480): few large batches beat many small ones.
    this.#stickyBytes += byteLength;
    if (this.#stickyBytes > CLIENT_BATCH_BYTES_MAX) {
      this.#stickyBytes = byteLength;
      this.#sticky = (this.#sticky + 1) % this.#lanes.length;
    }
    return this.#sticky;
  }

  #send(index: number, batch: Uint8Array): Promise<void> {
    const signal = AbortSignal.any([this.#options.signal, this.#stop.signal]);
    const limits = { ...this.#options, signal };
    let isFirst = true;
    return this.#client.retrying(async () => {
      // Whatever went wrong, the leader may be another one now.
      if (!isFirst) await this.#refresh(signal);
      isFirst = false;
      await this.#sendOnce(index, batch, signal);
    }, limits);
  }

  async #sendOnce(index: number, batch: Uint8Array, signal: AbortSignal): Promise<void> {
    const { acks } = this.#options;
    const { name, topicId } = this.#topic;
    const nodeId = leaderOf(this.#topic, index);
    const topicData = [{ name, topicId, partitionData: [{ index, records: batch }] }];
    const request = { acks, timeoutMs: CLIENT_REQUEST_MS_MAX, topicData };
    if (acks === 0) {
      const connection = await this.#client.connection(nodeId, signal);
      connection.sendWithoutAnswer(Apis.PRODUCE, connection.versionOf(Apis.PRODUCE), request);
      // Nobody answers that. So the memory stays bounded, nothing is overtaken and nothing is cut off at the end.
      await connection.delivered(signal);
      return;
    }
    const answer = await this.#client.send(Apis.PRODUCE, request, { nodeId, signal });
    const partition = defined(answer.responses[0]?.partitionResponses[0], "answer of the partition");
    // The broker has it already: the answer to an earlier try was lost.
    if (partition.errorCode === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) return;
    assertNoError(partition.errorCode, `${name}-${index}`, partition.errorMessage);
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    this.#refreshing ??= oneTopic(this.#client, this.#options.topic, { timeoutMs: 0, signal })
      .then((topic) => {
        if (topic.topicId !== this.#topic.topicId) {
          throw new KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, topic.name, "The topic was deleted and made anew.");
        }
        this.#topic = topic;
      })
      .finally(() => {
        this.#refreshing = undefined;
      });
    await this.#refreshing;
  }

  #release(recordCount: number, byteLength: number): void {
    this.recordCount += recordCount;
    this.#bufferedBytes -= byteLength;
    if (this.#bufferedBytes < CLIENT_BUFFER_BYTES_MAX) this.#wake();
  }

  #wake(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort(error);
    this.#wake();
  }
}
