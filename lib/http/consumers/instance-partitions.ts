import { z } from "zod";
import type { TopicView } from "#lib/cluster/cluster-view.ts";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import type { JournalSeq, TopicId } from "#lib/util/branded.ts";
import { INSTANCE_PARTITIONS_MAX } from "#lib/util/limits.ts";
import { type HttpOperation, topicResource } from "../access.ts";
import { type Caller, findTopic } from "../find-topic.ts";

// Partitions as bodies name them, and back.

const partitionFields = { topic: z.string().min(1), partition: z.int().min(0).max(0x7fff_ffff) };

export const Partition = z.strictObject(partitionFields).meta({ id: "V2TopicPartition" });
export const PARTITION_EXAMPLE = { topic: "orders", partition: 0 };

export const partitionsBody = z
  .strictObject({ partitions: z.array(Partition).max(INSTANCE_PARTITIONS_MAX) })
  .meta({ id: "V2Partitions" });
export const PARTITIONS_EXAMPLE = { partitions: [PARTITION_EXAMPLE] };

/** The offset behind it is one as well. */
export const offsetField = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER - 1);
export const metadataField = z.string().nullish();

export const offsetsBody = z
  .strictObject({
    offsets: z
      .array(z.strictObject({ ...partitionFields, offset: offsetField, metadata: metadataField }))
      .max(INSTANCE_PARTITIONS_MAX),
  })
  .meta({ id: "V2ConsumerOffsets" });
export const OFFSETS_EXAMPLE = { offsets: [{ ...PARTITION_EXAMPLE, offset: 20 }] };

export interface NamedPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Each with its topic. Fails with 403 without the right to read it, with 404 for what is not there. */
export async function withTopics<T extends NamedPartition>(
  named: readonly T[],
  caller: Caller,
): Promise<readonly (T & { readonly view: TopicView })[]> {
  const highest = new Map<string, number>();
  for (const { topic, partition } of named) highest.set(topic, Math.max(partition, highest.get(topic) ?? 0));
  const views = new Map<string, TopicView>();
  await Promise.all(
    [...highest].map(async ([topic, partition]) => {
      views.set(topic, await findTopic(topic, "read", caller, partition));
    }),
  );
  return named.flatMap((each) => {
    const view = views.get(each.topic);
    return view === undefined ? [] : [{ ...each, view }];
  });
}

/** The cluster journal's number of the oldest of the views. */
export function clusterSeqOf(views: Iterable<TopicView>): JournalSeq {
  let clusterSeq = Number.MAX_SAFE_INTEGER;
  for (const { placement } of views) clusterSeq = Math.min(clusterSeq, placement.clusterSeq);
  return clusterSeq;
}

/** As a group's journal keeps them: topics in the order of their ids, partitions ascending, each once. */
export function assignmentOfPartitions(
  partitions: readonly { readonly view: TopicView; readonly partition: number }[],
): Assignment {
  const byTopic = new Map<TopicId, Set<number>>();
  for (const { view, partition } of partitions) {
    const indexes = byTopic.get(view.topicId) ?? new Set<number>();
    byTopic.set(view.topicId, indexes.add(partition));
  }
  const sorted = [...byTopic].sort(([one], [other]) => (one < other ? -1 : 1));
  return new Map(sorted.map(([topicId, indexes]) => [topicId, [...indexes].sort((a, b) => a - b)]));
}

/**
 * The names of what an instance holds. Topics that are gone are left out, and so are those for which the caller lacks the
 * right: a pattern matches whatever there is.
 */
export async function namedPartitions(
  assigned: Assignment,
  operation: HttpOperation,
  { principal, runtime, signal }: Caller,
): Promise<readonly NamedPartition[]> {
  const { cluster } = runtime.broker;
  if ([...assigned.keys()].some((topicId) => cluster.topic(topicId) === undefined)) await cluster.refresh(signal);
  return [...assigned].flatMap(([topicId, partitions]) => {
    const topic = cluster.topic(topicId)?.name;
    if (topic === undefined || !principal.may(operation, topicResource(topic))) return [];
    return partitions.map((partition) => ({ topic, partition }));
  });
}
