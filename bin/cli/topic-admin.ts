import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { assertNoError, KafkaError } from "#lib/client/kafka-error.ts";
import type { TopicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConfigResourceType, ConfigSource } from "#lib/protocol/messages/describe-configs.ts";
import { AlterConfigOperation } from "#lib/protocol/messages/incremental-alter-configs.ts";
import { ListOffsetsTimestamp } from "#lib/protocol/messages/list-offsets.ts";
import { ZERO_UUID } from "#lib/util/branded.ts";
import type { LeaderOffsets } from "./leader-offsets.ts";

const TIMEOUT_MS = 30_000;

export interface Config {
  readonly key: string;
  readonly value: string;
}

export interface NewTopic {
  readonly name: string;
  /** -1: the broker's default. */
  readonly partitions: number;
  /** -1: the broker's default. */
  readonly replicationFactor: number;
  readonly configs: readonly Config[];
}

/** What `topics describe` shows. */
export interface TopicDescription {
  readonly name: string;
  readonly topicId: string;
  readonly replicationFactor: number;
  /** Those set on the topic itself. */
  readonly configs: Readonly<Record<string, string>>;
  readonly partitions: readonly PartitionDescription[];
}

export interface PartitionDescription {
  readonly partition: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** Null where the leader cannot be asked for now. */
  readonly earliestOffset: number | null;
  readonly latestOffset: number | null;
}

/** Answers the number of partitions, -1 if the broker is too old to tell. Fails with `KafkaError`. */
export async function createTopic(client: KafkaClient, topic: NewTopic, signal: AbortSignal): Promise<number> {
  const configs = topic.configs.map(({ key, value }) => ({ name: key, value }));
  const { name, partitions, replicationFactor } = topic;
  const wanted = { name, numPartitions: partitions, replicationFactor, configs };
  const answer = await client.send(Apis.CREATE_TOPICS, { topics: [wanted], timeoutMs: TIMEOUT_MS }, { signal });
  const created = answer.topics[0];
  assertNoError(created?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR, `topic ${name}`, created?.errorMessage);
  return created?.numPartitions ?? -1;
}

/** Answers one error a topic, or undefined where it is gone. */
export async function deleteTopics(
  client: KafkaClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly (KafkaError | undefined)[]> {
  const topics = names.map((name) => ({ name, topicId: ZERO_UUID }));
  const answer = await client.send(
    Apis.DELETE_TOPICS,
    { topics, topicNames: names, timeoutMs: TIMEOUT_MS },
    { signal },
  );
  return names.map((name) => {
    const one = answer.responses.find((each) => each.name === name);
    const code = one?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    return code === ErrorCode.NONE ? undefined : new KafkaError(code, `topic ${name}`, one?.errorMessage);
  });
}

export async function growTopic(
  client: KafkaClient,
  topic: { readonly name: string; readonly partitions: number },
  signal: AbortSignal,
): Promise<void> {
  const topics = [{ name: topic.name, count: topic.partitions, assignments: null }];
  const request = { topics, timeoutMs: TIMEOUT_MS, validateOnly: false };
  const answer = await client.send(Apis.CREATE_PARTITIONS, request, { signal });
  const grown = answer.results[0];
  assertNoError(grown?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR, `topic ${topic.name}`, grown?.errorMessage);
}

export async function alterTopicConfigs(
  client: KafkaClient,
  topic: { readonly name: string; readonly set: readonly Config[]; readonly remove: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const configs = [
    ...topic.set.map(({ key, value }) => ({ name: key, configOperation: AlterConfigOperation.SET, value })),
    ...topic.remove.map((name) => ({ name, configOperation: AlterConfigOperation.DELETE, value: null })),
  ];
  const resources = [{ resourceType: ConfigResourceType.TOPIC, resourceName: topic.name, configs }];
  const answer = await client.send(Apis.INCREMENTAL_ALTER_CONFIGS, { resources, validateOnly: false }, { signal });
  const altered = answer.responses[0];
  assertNoError(altered?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR, `topic ${topic.name}`, altered?.errorMessage);
}

export async function describeTopic(
  client: KafkaClient,
  topic: TopicMetadata,
  query: { readonly offsets: LeaderOffsets; readonly signal: AbortSignal },
): Promise<TopicDescription> {
  const { offsets, signal } = query;
  const [configs, earliest, latest] = await Promise.all([
    configsSet(client, topic.name, signal),
    offsets.at(topic, ListOffsetsTimestamp.EARLIEST),
    offsets.at(topic, ListOffsetsTimestamp.LATEST),
  ]);
  return {
    name: topic.name,
    topicId: topic.topicId,
    replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
    configs,
    partitions: topic.partitions.map(({ index, leaderId, replicas, isr }) => ({
      partition: index,
      leader: leaderId,
      replicas,
      isr,
      earliestOffset: earliest.get(index) ?? null,
      latestOffset: latest.get(index) ?? null,
    })),
  };
}

async function configsSet(client: KafkaClient, name: string, signal: AbortSignal) {
  const resources = [{ resourceType: ConfigResourceType.TOPIC, resourceName: name, configurationKeys: null }];
  const answer = await client.send(Apis.DESCRIBE_CONFIGS, { resources }, { signal });
  const found = answer.results[0];
  assertNoError(found?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR, `configs of ${name}`, found?.errorMessage);
  const own = found?.configs.filter((config) => config.configSource === ConfigSource.TOPIC) ?? [];
  return Object.fromEntries(own.map((config) => [config.name, config.value ?? ""]));
}
