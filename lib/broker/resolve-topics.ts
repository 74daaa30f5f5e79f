import type { ClusterView, TopicView } from "#lib/cluster/cluster-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type Uuid, ZERO_UUID } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";

/** How a request names a topic: by id in newer versions, by name in older ones. */
export interface TopicReference {
  readonly name: string;
  readonly topicId: Uuid;
}

/** A topic and the highest partition of it that is asked for. */
export interface PartitionReference extends TopicReference {
  readonly highestPartition: number;
}

export type ResolveTopic = (reference: TopicReference) => TopicView | ErrorCode;

/**
 * Looks topics up in this process's view. If one of them, or one of its partitions, is unknown there, the view is first brought up to a strong read:
 * "no such topic" is never said from an old view (docs/ARCHITECTURE.md J8). While the cluster journal does not answer, such
 * a topic is KAFKA_STORAGE_ERROR, which clients retry.
 */
export async function resolveTopics(
  cluster: ClusterView,
  references: readonly PartitionReference[],
  options: { readonly byId: boolean; readonly signal: AbortSignal },
): Promise<ResolveTopic> {
  const find = ({ name, topicId }: TopicReference): TopicView | undefined =>
    options.byId ? cluster.topic(topicId) : cluster.topicByName(name);
  const isKnown = (reference: PartitionReference): boolean =>
    reference.highestPartition < (find(reference)?.partitionCount ?? 0);
  const nameOf = ({ name, topicId }: TopicReference): string => (options.byId ? topicId : name);
  const inDoubt = new Set<string>();
  if (!references.every(isKnown) && !(await isRefreshed(cluster, options.signal))) {
    for (const reference of references) if (!isKnown(reference)) inDoubt.add(nameOf(reference));
  }
  return (reference) =>
    inDoubt.has(nameOf(reference))
      ? ErrorCode.KAFKA_STORAGE_ERROR
      : (find(reference) ?? unknownTopic(reference, options.byId));
}

/** False if the cluster journal does not answer: then nobody knows, and clients may ask again. */
async function isRefreshed(cluster: ClusterView, signal: AbortSignal): Promise<boolean> {
  try {
    await cluster.refresh(signal);
    return true;
  } catch (error) {
    if (error instanceof LogError && error.kind === "unavailable") return false;
    throw error;
  }
}

function unknownTopic({ topicId }: TopicReference, byId: boolean): ErrorCode {
  if (!byId) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  return topicId === ZERO_UUID ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.UNKNOWN_TOPIC_ID;
}

export function hasPartition(topic: TopicView, partitionIndex: number): boolean {
  return partitionIndex >= 0 && partitionIndex < topic.partitionCount;
}

/** -1 for an empty list. */
export function highest(partitionIndexes: Iterable<number>): number {
  let found = -1;
  for (const index of partitionIndexes) found = Math.max(found, index);
  return found;
}
