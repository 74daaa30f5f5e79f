import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { PartitionAccess, PartitionSlot } from "./fetch-partitions.ts";
import type {
  DescribedPartition,
  DescribedProducer,
  PartitionDescriber,
  PartitionProducers,
  PartitionSize,
} from "./log-api.ts";
import type { PartitionState, ProducerState } from "./log-state.ts";

/** What the folds know of partitions, behind one strong read of each journal: that there is nothing is a "no" too (J8). */
export class PartitionDescriptions implements PartitionDescriber {
  readonly #access: PartitionAccess;

  constructor(access: PartitionAccess) {
    this.#access = access;
  }

  async producers(
    partitions: readonly DescribedPartition[],
    signal: AbortSignal,
  ): Promise<readonly PartitionProducers[]> {
    const slots = await this.#confirmed(partitions, signal);
    return slots.map((slot) => ({
      error: slot.error,
      producers: [...(this.#found(slot)?.producers.values() ?? [])].map(describeProducer),
    }));
  }

  async sizes(partitions: readonly DescribedPartition[], signal: AbortSignal): Promise<readonly PartitionSize[]> {
    const slots = await this.#confirmed(partitions, signal);
    return slots.map((slot) => ({ error: slot.error, byteLength: byteLengthOf(this.#found(slot)) }));
  }

  async #confirmed(partitions: readonly DescribedPartition[], signal: AbortSignal): Promise<readonly PartitionSlot[]> {
    const slots = partitions.map(({ topic, partitionIndex }) => this.#access.slot(topic, partitionIndex));
    await this.#access.open(slots, signal);
    await this.#access.confirm(slots, { signal, freshTopics: true });
    return slots;
  }

  #found(slot: PartitionSlot): PartitionState | undefined {
    return slot.error === ErrorCode.NONE ? this.#access.partition(slot) : undefined;
  }
}

function describeProducer({ producerId, producerEpoch, batches }: ProducerState): DescribedProducer {
  const newest = batches.at(-1);
  const lastSequence = newest?.lastSequence ?? -1;
  return { producerId, producerEpoch, lastSequence, lastTimestampMs: newest?.timestampMs ?? -1 };
}

function byteLengthOf(partition: PartitionState | undefined): number {
  if (partition === undefined) return 0;
  const { segments, entries } = partition;
  // Kafka's log size is that of its .log files, too.
  const inSegments = segments.reduce((sum, segment) => sum + segment.byteLength, 0);
  return entries.reduce((sum, entry) => sum + entry.byteLength, inSegments);
}
