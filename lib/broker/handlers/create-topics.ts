import type { AdminResult } from "#lib/cluster/admin-result.ts";
import { refusal } from "#lib/cluster/admin-result.ts";
import type { NewTopic } from "#lib/cluster/new-topic.ts";
import type { CreatedTopic } from "#lib/cluster/topic-admin.ts";
import { TOPIC_CONFIGS } from "#lib/cluster/topic-configs.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { CreateTopicsRequest } from "#lib/protocol/messages/create-topics.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX, PARTITIONS_PER_REQUEST_MAX } from "#lib/util/limits.ts";
import {
  adminTimeLimit,
  errorOfRefusal,
  type ItemError,
  itemError,
  itemOrError,
  NO_ERROR,
  repeated,
} from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { configSource } from "../config-entries.ts";
import { handler } from "../handler.ts";
import { areConsecutive, assignmentFault } from "../manual-assignment.ts";

// CreateTopics v0-7.
// - -1 partitions or replicas are the broker's defaults (in all versions; clients send it from v4 on, KIP-464).
// - Replicas assigned by hand are taken where they are what the cluster would choose (manual-assignment.ts).
// - A name that stands twice is INVALID_REQUEST, once; more than 10,000 partitions in all are POLICY_VIOLATION.
// v1 adds validateOnly. v5 answers configs, v7 the topic's id.

type RequestTopic = CreateTopicsRequest["topics"][number];

export const createTopics = handler(Apis.CREATE_TOPICS, async (request, context, services) => {
  using limit = adminTimeLimit(request.timeoutMs, context, services);
  const twice = repeated(request.topics.map(({ name }) => name));
  const isTooLarge = partitionsAskedFor(request.topics, services) > PARTITIONS_PER_REQUEST_MAX;
  const options = { validateOnly: request.validateOnly, signal: limit.signal };
  const distinct = request.topics.filter(({ name }) => !twice.has(name));
  const created = await mapInChunks(distinct, ADMIN_ITEMS_AT_ONCE_MAX, async (topic) => {
    if (isTooLarge) return failed(topic.name, itemError(ErrorCode.POLICY_VIOLATION, TOO_MANY_PARTITIONS));
    const result = await itemOrError(services, () => createOne(topic, options, services));
    if ("errorCode" in result) return failed(topic.name, result);
    if (result.kind === "refused") return failed(topic.name, errorOfRefusal(result));
    return succeeded(topic.name, result.value, services);
  });
  const duplicates = [...twice].map((name) =>
    failed(name, itemError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")),
  );
  return { throttleTimeMs: 0, topics: [...created, ...duplicates] };
});

const TOO_MANY_PARTITIONS = "Excessively large number of partitions per request.";

function partitionsAskedFor(topics: readonly RequestTopic[], { cluster }: BrokerServices): number {
  const count = ({ assignments, numPartitions }: RequestTopic): number => {
    if (assignments.length > 0) return assignments.length;
    return numPartitions === -1 ? cluster.brokerInteger("num.partitions") : Math.max(0, numPartitions);
  };
  return topics.reduce((sum, topic) => sum + count(topic), 0);
}

async function createOne(
  topic: RequestTopic,
  options: { readonly validateOnly: boolean; readonly signal: AbortSignal },
  services: BrokerServices,
): Promise<AdminResult<CreatedTopic>> {
  const { name, configs, assignments } = topic;
  const nulls = configs.filter(({ value }) => value === null).map((config) => config.name);
  if (nulls.length > 0) {
    return refusal(ErrorCode.INVALID_CONFIG, `Null value not supported for topic configs: ${nulls.join(",")}`);
  }
  const wanted: NewTopic = {
    name,
    partitionCount: topic.numPartitions,
    replicationFactor: topic.replicationFactor,
    configs: new Map(configs.flatMap((config) => (config.value === null ? [] : [[config.name, config.value]]))),
  };
  if (assignments.length === 0) return services.topicAdmin.createTopic(wanted, options);
  const manual = "A manual partition assignment was specified, but";
  if (topic.replicationFactor !== -1) {
    return refusal(ErrorCode.INVALID_REQUEST, `${manual} replication factor was not set to -1.`);
  }
  if (topic.numPartitions !== -1) {
    return refusal(ErrorCode.INVALID_REQUEST, `${manual} numPartitions was not set to -1.`);
  }
  if (
    !areConsecutive(
      assignments.map(({ partitionIndex }) => partitionIndex),
      0,
    )
  ) {
    const message = "The partitions of a manual assignment should be a consecutive 0-based integer sequence.";
    return refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
  }
  const fault = assignmentFault(assignments, services);
  if (fault !== undefined) return fault;
  const replicationFactor = assignments[0]?.brokerIds.length ?? 1;
  return services.topicAdmin.createTopic({ ...wanted, partitionCount: assignments.length, replicationFactor }, options);
}

function failed(name: string, error: ItemError) {
  return { name, ...error };
}

function succeeded(name: string, created: CreatedTopic, { cluster }: BrokerServices) {
  const { topicId, partitionCount, replicationFactor } = created;
  const configs = TOPIC_CONFIGS.map((definition) => {
    const effective = cluster.topicConfig(created, definition);
    const { value } = effective;
    return { name: definition.name, value, readOnly: false, configSource: configSource(effective), isSensitive: false };
  });
  return { name, topicId, ...NO_ERROR, numPartitions: partitionCount, replicationFactor, configs };
}
