import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { CLIENT_FETCH_BYTES_MAX, CLIENT_FETCH_PARTITION_BYTES_MAX, CLIENT_FETCH_WAIT_MS } from "#lib/util/limits.ts";
import type { Acknowledged, Target } from "./open-loop.ts";

/** A consumer of all partitions that is always at their ends: asks again at once, and waits at the broker for records. */
export class TailReader implements AsyncDisposable {
  readonly #target: Target;
  readonly #connection: KafkaConnection;
  readonly #offsets: number[];
  /** When each batch came, by partition and base offset. */
  readonly #seen = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;

  static async start(target: Target): Promise<TailReader> {
    const connection = await KafkaConnection.open({ ...target, clientId: "consumer" });
    await connection.negotiate();
    return new TailReader(target, connection);
  }

  private constructor(target: Target, connection: KafkaConnection) {
    this.#target = target;
    this.#connection = connection;
    this.#offsets = target.topic.partitions.map(() => 0);
    this.#done = this.#run();
    this.#done.catch(() => {});
  }

  /** Milliseconds from when each batch was due to be sent until it was here. Waits until all have come. */
  async latenciesOf(batches: readonly Acknowledged[], waitMsMax: number): Promise<readonly number[]> {
    const giveUpAtMs = performance.now() + waitMsMax;
    const isMissing = (batch: Acknowledged): boolean => !this.#seen.has(keyOf(batch.partition, batch.baseOffset));
    while (batches.some(isMissing)) {
      if (performance.now() > giveUpAtMs) throw new Error("the consumer does not see all that was acknowledged");
      await Promise.race([this.#done, new Promise((resolve) => setTimeout(resolve, 10))]);
    }
    return batches.map(
      ({ partition, baseOffset, dueMs }) => (this.#seen.get(keyOf(partition, baseOffset)) ?? Number.NaN) - dueMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#connection.close();
    await this.#done.catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#fetch();
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  async #fetch(): Promise<void> {
    const { name, topicId } = this.#target.topic;
    const partitions = this.#offsets.map((fetchOffset, partition) => ({
      partition,
      fetchOffset,
      partitionMaxBytes: CLIENT_FETCH_PARTITION_BYTES_MAX,
    }));
    const answer = await this.#connection.send(Apis.FETCH, this.#connection.versionOf(Apis.FETCH), {
      maxWaitMs: CLIENT_FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: CLIENT_FETCH_BYTES_MAX,
      topics: [{ topic: name, topicId, partitions }],
    });
    const nowMs = performance.now();
    assertNoError(answer.errorCode, name);
    for (const { partitionIndex, errorCode, records } of answer.responses[0]?.partitions ?? []) {
      assertNoError(errorCode, `${name}-${partitionIndex}`);
      for (const batch of records === null ? [] : splitBatches(records).batches) {
        const header = readBatchHeader(batch);
        this.#seen.set(keyOf(partitionIndex, header.baseOffset), nowMs);
        this.#offsets[partitionIndex] = lastOffsetOf(header) + 1;
      }
    }
  }
}

function keyOf(partition: number, baseOffset: number): string {
  return `${partition}:${baseOffset}`;
}
