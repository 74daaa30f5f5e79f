import { type AdminResult, refusal } from "#lib/cluster/admin-result.ts";
import type { AdminOptions } from "#lib/cluster/topic-admin.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { CreatePartitionsRequest } from "#lib/protocol/messages/create-partitions.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX, PARTITIONS_PER_REQUEST_MAX } from "#lib/util/limits.ts";
import { adminTimeLimit, errorOfRefusal, itemError, itemOrError, NO_ERROR, repeated } from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { handler } from "../handler.ts";
import { assignmentFault } from "../manual-assignment.ts";

// CreatePartitions v0-3.
// - Replicas assigned by hand are taken where they are what the cluster would choose (manual-assignment.ts).
// - A name that stands twice is INVALID_REQUEST, once; more than 10,000 new partitions in all are POLICY_VIOLATION.

type RequestTopic = CreatePartitionsRequest["topics"][number];

export const createPartitions = handler(Apis.CREATE_PARTITIONS, async (request, context, services) => {
  using limit = adminTimeLimit(request.timeoutMs, context, services);
  const twice = repeated(request.topics.map(({ name }) => name));
  const distinct = request.topics.filter(({ name }) => !twice.has(name));
  const options = { validateOnly: request.validateOnly, signal: limit.signal };
  const isTooLarge = newPartitions(distinct, services) > PARTITIONS_PER_REQUEST_MAX;
  const results = await mapInChunks(distinct, ADMIN_ITEMS_AT_ONCE_MAX, async (topic) => {
    const { name } = topic;
    if (isTooLarge) {
      const message = "Excessively large number of partitions per request.";
      return { name, ...itemError(ErrorCode.POLICY_VIOLATION, message) };
    }
    const result = await itemOrError(services, () => createOne(topic, options, services));
    if ("errorCode" in result) return { name, ...result };
    return { name, ...(result.kind === "refused" ? errorOfRefusal(result) : NO_ERROR) };
  });
  const duplicates = [...twice].map((name) => ({
    name,
    ...itemError(ErrorCode.INVALID_REQUEST, "Duplicate topic name."),
  }));
  return { throttleTimeMs: 0, results: [...results, ...duplicates] };
});

function newPartitions(topics: readonly RequestTopic[], { cluster }: BrokerServices): number {
  return topics.reduce((sum, { name, count }) => {
    const standing = cluster.topicByName(name)?.partitionCount;
    return standing === undefined ? sum : sum + Math.max(0, count - standing);
  }, 0);
}

async function createOne(
  { name, count, assignments }: RequestTopic,
  options: AdminOptions,
  services: BrokerServices,
): Promise<AdminResult<unknown>> {
  if (assignments === null) return services.topicAdmin.createPartitions(name, count, options);
  // Everything else is looked at first, as Kafka does: a wrong count is told before a wrong assignment.
  const checked = await services.topicAdmin.createPartitions(name, count, { ...options, validateOnly: true });
  if (checked.kind === "refused") return checked;
  const added = count - (services.cluster.topicByName(name)?.partitionCount ?? 0);
  if (assignments.length !== added) {
    const message =
      `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) ` +
      "were specified.";
    return refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
  }
  const partitions = assignments.map(({ brokerIds }, partitionIndex) => ({ partitionIndex, brokerIds }));
  const fault = assignmentFault(partitions, services);
  if (fault !== undefined) return fault;
  return options.validateOnly ? checked : services.topicAdmin.createPartitions(name, count, options);
}
