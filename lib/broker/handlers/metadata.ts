import type { Topic, TopicView } from "#lib/cluster/cluster-view.ts";
import { topicNameFault } from "#lib/cluster/topic-names.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type MetadataRequest, OPERATIONS_NOT_ASKED } from "#lib/protocol/messages/metadata.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { defined } from "#lib/util/assert.ts";
import { type Uuid, ZERO_UUID } from "#lib/util/branded.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import { itemOrError } from "../admin-request.ts";
import { CLUSTER_OPERATIONS, TOPIC_OPERATIONS } from "../authorized-operations.ts";
import { endpointAnswer, runningNodes } from "../broker-nodes.ts";
import type { BrokerServices } from "../broker-services.ts";
import { handler } from "../handler.ts";
import { freshenShown } from "../leader-looks.ts";
import type { ReplicaNodes } from "../replica-nodes.ts";
import type { RequestContext } from "../request-context.ts";

// Metadata v0-13.
// - All topics for null (v1 on) or an empty list (v0); a topic that is asked for twice is answered once.
// - An unknown topic is created if client (v4 on) and `auto.create.topics.enable` allow it, and answered at once, where
//   Kafka lets the client ask again. It is called unknown only after a strong read; if that fails, LEADER_NOT_AVAILABLE.
// - Leaders and replicas are brokers that stand for stores (replica-nodes.ts); any broker serves as the controller.
// v10 adds topic ids, v12 asks by them; as on Kafka, ids in a request before v12 are INVALID_REQUEST.

const FIRST_VERSION_BY_ID = 12;

type Asked = NonNullable<MetadataRequest["topics"]>[number];
type Found = TopicView | { readonly error: ErrorCode; readonly name: string | null; readonly topicId: Uuid };

export const metadata = handler(Apis.METADATA, async (request, context, services) => {
  const { identity, nodes } = services;
  const asksOperations = request.includeTopicAuthorizedOperations;
  const found = await findTopics(request, context, services);
  await freshenShown(
    found.flatMap((topic) => ("error" in topic ? [] : [topic.placement])),
    context.signal,
    services,
  );
  return {
    throttleTimeMs: 0,
    brokers: runningNodes(services, context.listener).map(endpointAnswer),
    clusterId: identity.clusterId,
    controllerId: identity.brokerId,
    topics: found.map((topic) => ({
      ...("error" in topic ? failedTopic(topic) : knownTopic(topic, nodes)),
      topicAuthorizedOperations: asksOperations && !("error" in topic) ? TOPIC_OPERATIONS : OPERATIONS_NOT_ASKED,
    })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : OPERATIONS_NOT_ASKED,
    errorCode: ErrorCode.NONE,
  };
});

function knownTopic({ name, topicId, placement }: TopicView, nodes: ReplicaNodes) {
  const partitions = Array.from({ length: placement.partitionCount }, (_, partitionIndex) => ({
    errorCode: ErrorCode.NONE,
    partitionIndex,
    ...nodes.of(placement, partitionIndex),
  }));
  return { errorCode: ErrorCode.NONE, name, topicId, isInternal: false, partitions };
}

function failedTopic({ error, name, topicId }: Extract<Found, { error: ErrorCode }>) {
  return { errorCode: error, name, topicId, isInternal: false, partitions: [] };
}

async function findTopics(
  request: MetadataRequest,
  context: RequestContext,
  services: BrokerServices,
): Promise<readonly Found[]> {
  const { apiVersion } = context;
  const asked = request.topics;
  if (asked === null || (apiVersion === 0 && asked.length === 0)) return allTopics(context, services);
  if (apiVersion < FIRST_VERSION_BY_ID && asked.some(isById)) {
    return asked.map(({ name, topicId }) => ({ error: ErrorCode.INVALID_REQUEST, name: name ?? "", topicId }));
  }
  const distinct = [
    ...new Map(asked.map((each) => [isById(each) ? each.topicId : `name:${each.name}`, each])).values(),
  ];
  const find = (each: Asked) =>
    isById(each) ? services.cluster.topic(each.topicId) : services.cluster.topicByName(each.name ?? "");
  let isFresh = true;
  if (distinct.some((each) => find(each) === undefined)) isFresh = await refresh(context, services);
  const mayCreate = request.allowAutoTopicCreation && services.cluster.brokerFlag("auto.create.topics.enable");
  return mapInChunks(distinct, ADMIN_ITEMS_AT_ONCE_MAX, async (each): Promise<Found> => {
    const topic = find(each);
    if (topic !== undefined) return topic;
    const { name, topicId } = each;
    if (!isFresh) return { error: ErrorCode.LEADER_NOT_AVAILABLE, name, topicId };
    if (isById(each)) return { error: ErrorCode.UNKNOWN_TOPIC_ID, name: null, topicId };
    const error = mayCreate ? await createTopic(name ?? "", context, services) : unknownName(name ?? "");
    return find(each) ?? { error, name, topicId };
  });
}

function isById({ name, topicId }: Asked): boolean {
  return name === null || topicId !== ZERO_UUID;
}

function unknownName(name: string): ErrorCode {
  return topicNameFault(name) === undefined ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION;
}

async function allTopics(context: RequestContext, services: BrokerServices): Promise<readonly Found[]> {
  const { cluster } = services;
  // The list as far as it is known is more use than none.
  await refresh(context, services);
  return cluster.topics().map(({ topicId }: Topic) => defined(cluster.topic(topicId)));
}

async function refresh({ signal }: RequestContext, { cluster, logger }: BrokerServices): Promise<boolean> {
  try {
    await cluster.refresh(signal);
    return true;
  } catch (error) {
    logger.warn("the cluster journal cannot be read", { error: describeError(error) });
    return false;
  }
}

async function createTopic(name: string, { signal }: RequestContext, services: BrokerServices): Promise<ErrorCode> {
  const result = await itemOrError(services, () => services.topicAdmin.createMissingTopic(name, signal));
  if ("errorCode" in result) return ErrorCode.LEADER_NOT_AVAILABLE;
  return result.kind === "refused" ? result.error : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}
