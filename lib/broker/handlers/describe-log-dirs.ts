import type { TopicView } from "#lib/cluster/cluster-view.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { DescribeLogDirsRequest } from "#lib/protocol/messages/describe-log-dirs.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { itemOrError } from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { findTopics } from "../find-topics.ts";
import { handler } from "../handler.ts";
import { hasPartition } from "../resolve-topics.ts";

// DescribeLogDirs v0-5 (KIP-113).
// - Each store is a log directory, under its URL where that is known, of the brokers that are at home there; one without a
//   broker belongs to the first that runs. It holds the partitions that have a replica there, each with the bytes of all
//   its batches that can be read.
// - A replica in sync never lags, how far another one does nobody knows: -1, as is the size of a store (KIP-827). None
//   ever moves.
// - What does not exist is left out, as on Kafka. KAFKA_STORAGE_ERROR is a store that fails, with what is known of it, and
//   one with a partition whose journal does not answer, with nothing.

const UNKNOWN_LAG = -1;

interface Asked {
  readonly view: TopicView;
  readonly partitionIndex: number;
}

interface Replica extends Asked {
  readonly stores: ReturnType<BrokerServices["nodes"]["storesOf"]>;
  readonly error: ErrorCode;
  readonly byteLength: number;
}

export const describeLogDirs = handler(Apis.DESCRIBE_LOG_DIRS, async (request, { signal }, services) => {
  const asked = await partitionsAsked(request, services, signal);
  const storeIds = services.nodes.ownStores();
  if (typeof asked === "number") {
    const failed = storeIds.map((storeId) => storeAnswer(storeId, services, { errorCode: asked }));
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results: failed };
  }
  const described = asked.map(({ view, partitionIndex }) => ({ topic: view.placement, partitionIndex }));
  const sizes = await services.describer.sizes(described, signal);
  const replicas = asked.map(({ view, partitionIndex }, at): Replica => {
    const stores = services.nodes.storesOf(view.placement, partitionIndex);
    const { error, byteLength } = sizes[at] ?? { error: ErrorCode.UNKNOWN_SERVER_ERROR, byteLength: 0 };
    return { view, partitionIndex, stores, error, byteLength };
  });
  const suspect = new Set(services.replication.stores().flatMap((each) => (each.isSuspect ? [each.storeId] : [])));
  const results = storeIds.map((storeId) => {
    const here = replicas.filter(({ stores }) => stores.some((each) => each.storeId === storeId));
    const hasFailed = here.some(({ error }) => error !== ErrorCode.NONE && !isGone(error));
    const isOffline = hasFailed || suspect.has(storeId);
    const errorCode = isOffline ? ErrorCode.KAFKA_STORAGE_ERROR : ErrorCode.NONE;
    return storeAnswer(storeId, services, { errorCode, replicas: hasFailed ? [] : here });
  });
  return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, results };
});

/** An error if the topics cannot be looked up. */
async function partitionsAsked(
  { topics }: DescribeLogDirsRequest,
  services: BrokerServices,
  signal: AbortSignal,
): Promise<readonly Asked[] | ErrorCode> {
  const { cluster } = services;
  if (topics === null) {
    const failure = await itemOrError(services, () => cluster.refresh(signal));
    if (failure !== undefined) return ErrorCode.KAFKA_STORAGE_ERROR;
    return cluster.topics().flatMap(({ topicId }) => allPartitions(cluster.topic(topicId)));
  }
  const named = topics.map(({ topic, partitions }) => ({ name: topic, partitionIndexes: partitions }));
  const find = await findTopics(named, services, signal);
  const asked = new Map<string, Asked>();
  for (const { name, partitionIndexes } of named) {
    const view = find(name);
    if (typeof view === "number") {
      if (!isGone(view)) return ErrorCode.KAFKA_STORAGE_ERROR;
      continue;
    }
    for (const partitionIndex of partitionIndexes) {
      if (hasPartition(view, partitionIndex)) asked.set(`${partitionIndex}:${name}`, { view, partitionIndex });
    }
  }
  return [...asked.values()];
}

function isGone(error: ErrorCode): boolean {
  return error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function allPartitions(view: TopicView | undefined): readonly Asked[] {
  if (view === undefined) return [];
  return Array.from({ length: view.partitionCount }, (_, partitionIndex) => ({ view, partitionIndex }));
}

function storeAnswer(
  storeId: StoreId,
  { cluster }: BrokerServices,
  { errorCode, replicas = [] }: { readonly errorCode: ErrorCode; readonly replicas?: readonly Replica[] },
) {
  const store = cluster.stores().find((each) => each.storeId === storeId);
  const there = replicas.filter(({ error }) => !isGone(error));
  const topics = [...groupBy(there, ({ view }) => view.name)].map(([name, partitions]) => ({
    name,
    partitions: partitions.map(({ partitionIndex, byteLength, stores }) => ({
      partitionIndex,
      partitionSize: byteLength,
      offsetLag: stores.some((each) => each.storeId === storeId && each.isInSync) ? 0 : UNKNOWN_LAG,
      isFutureKey: false,
    })),
  }));
  return { errorCode, logDir: store?.url ?? `store-${storeId}`, topics };
}
