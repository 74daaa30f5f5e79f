import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { listOffsets, type TopicMetadata } from "#lib/client/topic-metadata.ts";
import { TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import type { BrokerId, Offset } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { tellRetries } from "./retries.ts";

/** Who only wants to see how things are does not wait until they are better. */
const WAIT_MS_MAX = 3_000;

/** Offsets of partitions as far as their leaders tell. One that does not, or has no successor soon, is asked no more. */
export class LeaderOffsets {
  readonly #client: KafkaClient;
  readonly #signal: AbortSignal;
  readonly #silent = new Set<BrokerId>();
  readonly #onRetry = tellRetries();

  constructor(client: KafkaClient, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** By partition; those that cannot be had are left out. See `listOffsets`. */
  async at(topic: TopicMetadata, timestamp: number): Promise<ReadonlyMap<number, Offset>> {
    const groups = groupBy(topic.partitions, ({ leaderId }) => leaderId);
    const found = await Promise.all(
      [...groups].map(([leaderId, partitions]) => {
        const indexes = partitions.map(({ index }) => index);
        return leaderId < 0 || this.#silent.has(leaderId) ? [] : this.#ask(topic, { leaderId, indexes, timestamp });
      }),
    );
    return new Map(found.flat());
  }

  async #ask(
    topic: TopicMetadata,
    query: { readonly leaderId: BrokerId; readonly indexes: readonly number[]; readonly timestamp: number },
  ): Promise<readonly (readonly [number, Offset])[]> {
    const { leaderId, indexes, timestamp } = query;
    using limit = timeLimit(this.#client.clock, WAIT_MS_MAX, this.#signal);
    try {
      const asked = { indexes, timestamp, onRetry: this.#onRetry };
      return [...(await listOffsets(this.#client, topic, asked, limit.signal))];
    } catch (error) {
      const passes = error instanceof TimeLimitError || (error instanceof LogError && error.kind === "unavailable");
      if (!passes) throw error;
      this.#silent.add(leaderId);
      return [];
    }
  }
}
