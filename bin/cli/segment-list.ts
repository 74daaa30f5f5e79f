import type { BrokerServices } from "#lib/broker/broker-services.ts";
import type { LogSegment, PartitionState } from "#lib/log/log-state.ts";
import { CommandFailure } from "./usage-error.ts";

/** One partition and where its records lie. */
export interface ListedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly state: PartitionState;
}

export interface ListedSegment {
  readonly topic: string;
  readonly partition: number;
  readonly segment: LogSegment;
}

/** The partitions of one topic or of all, by topic and partition, as the newest records of their journals say. */
export async function listPartitions(
  { cluster, journals }: Pick<BrokerServices, "cluster" | "journals">,
  { topic, signal }: { readonly topic: string | undefined; readonly signal: AbortSignal },
): Promise<readonly ListedPartition[]> {
  await cluster.refresh(signal);
  if (topic !== undefined && cluster.topicByName(topic) === undefined) {
    throw new CommandFailure(`there is no topic ${topic}`);
  }
  await journals.openAll(signal);
  await Promise.all(journals.allOpened().map((journal) => journal.readBarrier(signal)));
  const listed = journals.allOpened().flatMap((journal) =>
    [...journal.state.partitions.values()].map((state) => ({
      // A topic that is being deleted has no name any more.
      topic: cluster.topic(state.topicId)?.name ?? state.topicId,
      partition: state.partitionIndex,
      state,
    })),
  );
  return listed
    .filter((one) => topic === undefined || one.topic === topic)
    .sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}

export function segmentsOf(partitions: readonly ListedPartition[]): readonly ListedSegment[] {
  return partitions.flatMap(({ topic, partition, state }) =>
    state.segments.map((segment) => ({ topic, partition, segment })),
  );
}
