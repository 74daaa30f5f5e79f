import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { MetadataResponse } from "#lib/protocol/messages/metadata.ts";
import type { BrokerId, Offset, TopicId } from "#lib/util/branded.ts";
import { CLIENT_COORDINATOR_MS_MAX } from "#lib/util/limits.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { assertNoError, KafkaError } from "./kafka-error.ts";

export interface PartitionMetadata {
  readonly index: number;
  /** -1 while there is none. */
  readonly leaderId: BrokerId;
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
}

export interface TopicMetadata {
  readonly name: string;
  readonly topicId: TopicId;
  readonly isInternal: boolean;
  /** Ascending. */
  readonly partitions: readonly PartitionMetadata[];
}

/** Topics by name, or all. Creates none. Fails with `KafkaError` for the first that cannot be had. */
export async function topicMetadata(
  client: KafkaClient,
  names: readonly string[] | null,
  signal: AbortSignal,
): Promise<readonly TopicMetadata[]> {
  return (await askMetadata(client, names, signal)).topics.map(toTopic);
}

/** Those of the named topics that exist, by name. Fails with `KafkaError` for one that cannot be had otherwise. */
export async function findTopics(
  client: KafkaClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TopicMetadata>> {
  if (names.length === 0) return new Map();
  const { topics } = await askMetadata(client, names, signal);
  const found = topics.filter(({ errorCode }) => errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION).map(toTopic);
  return new Map(found.map((topic) => [topic.name, topic]));
}

/** The ids of all brokers. */
export async function brokerIds(client: KafkaClient, signal: AbortSignal): Promise<readonly BrokerId[]> {
  return (await askMetadata(client, [], signal)).brokers.map(({ nodeId }) => nodeId);
}

async function askMetadata(
  client: KafkaClient,
  names: readonly string[] | null,
  signal: AbortSignal,
): Promise<MetadataResponse> {
  const topics = names === null ? null : names.map((name) => ({ name }));
  const answer = await client.send(Apis.METADATA, { topics, allowAutoTopicCreation: false }, { signal });
  assertNoError(answer.errorCode, "metadata");
  client.learnBrokers(answer.brokers);
  return answer;
}

function toTopic(topic: MetadataResponse["topics"][number]): TopicMetadata {
  const name = topic.name ?? "";
  assertNoError(topic.errorCode, `topic ${name}`);
  const partitions = topic.partitions.map(({ errorCode, partitionIndex, leaderId, replicaNodes, isrNodes }) => {
    // A partition without a leader is shown as such; what needs a leader asks again.
    if (errorCode !== ErrorCode.LEADER_NOT_AVAILABLE) assertNoError(errorCode, `${name}-${partitionIndex}`);
    return { index: partitionIndex, leaderId, replicas: replicaNodes, isr: isrNodes };
  });
  partitions.sort((a, b) => a.index - b.index);
  return { name, topicId: topic.topicId, isInternal: topic.isInternal, partitions };
}

/** One topic. Retriable errors are tried again for `timeoutMs`. */
export async function oneTopic(
  client: KafkaClient,
  name: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<TopicMetadata> {
  return client.retrying(async () => {
    const [topic] = await topicMetadata(client, [name], options.signal);
    if (topic === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${name}`);
    return topic;
  }, options);
}

export function leaderOf(topic: TopicMetadata, index: number): BrokerId {
  const leaderId = topic.partitions.find((partition) => partition.index === index)?.leaderId;
  if (leaderId === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `${topic.name}-${index}`);
  if (leaderId < 0) throw new KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, `${topic.name}-${index}`);
  return leaderId;
}

/** Partitions by the broker that leads them. Fails with `KafkaError` LEADER_NOT_AVAILABLE if one has no leader. */
export function byLeader(topic: TopicMetadata, indexes: Iterable<number>): ReadonlyMap<BrokerId, readonly number[]> {
  const groups = new Map<BrokerId, number[]>();
  for (const index of indexes) {
    const leaderId = leaderOf(topic, index);
    const group = groups.get(leaderId);
    if (group === undefined) groups.set(leaderId, [index]);
    else group.push(index);
  }
  return groups;
}

export interface OffsetQuery {
  readonly indexes: readonly number[];
  readonly timestamp: number;
  /** Called before the leaders are looked for again. */
  readonly onRetry?: (error: Error) => void;
}

/**
 * For each partition the offset of the first record at or after a time, or of the log's beginning or end
 * (`ListOffsetsTimestamp`); -1 if no record is as young. Where a leader cannot be asked, it waits some seconds for the next.
 */
export async function listOffsets(
  client: KafkaClient,
  topic: TopicMetadata,
  query: OffsetQuery,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Offset>> {
  const { onRetry } = query;
  const limits = { timeoutMs: CLIENT_COORDINATOR_MS_MAX, signal, ...(onRetry === undefined ? {} : { onRetry }) };
  let current: TopicMetadata | undefined = topic;
  return client.retrying(async () => {
    current ??= await oneTopic(client, topic.name, { timeoutMs: 0, signal });
    const asked = current;
    current = undefined;
    const groups = [...byLeader(asked, query.indexes)];
    const answers = groups.map(([nodeId, indexes]) =>
      offsetsAt(client, asked, { nodeId, indexes, timestamp: query.timestamp }, signal),
    );
    return new Map((await Promise.all(answers)).flat());
  }, limits);
}

async function offsetsAt(
  client: KafkaClient,
  topic: TopicMetadata,
  query: { readonly nodeId: BrokerId; readonly indexes: readonly number[]; readonly timestamp: number },
  signal: AbortSignal,
): Promise<readonly (readonly [partition: number, offset: Offset])[]> {
  const { nodeId, timestamp } = query;
  const partitions = query.indexes.map((partitionIndex) => ({ partitionIndex, timestamp }));
  const topics = [{ name: topic.name, partitions }];
  const answer = await client.send(Apis.LIST_OFFSETS, { topics }, { nodeId, signal });
  return (answer.topics[0]?.partitions ?? []).map(({ partitionIndex, errorCode, offset }) => {
    assertNoError(errorCode, `offsets of ${topic.name}-${partitionIndex}`);
    return [partitionIndex, offset];
  });
}
