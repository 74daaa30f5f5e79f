import type { FetchedPartition, PartitionFetch } from "#lib/log/log-api.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { FetchRequest } from "#lib/protocol/messages/fetch.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { FETCH_BYTES_MAX } from "#lib/util/limits.ts";
import type { BrokerServices } from "../broker-services.ts";
import type { FetchPlan, SessionPartition } from "../fetch-sessions.ts";
import { handler } from "../handler.ts";
import type { RequestContext } from "../request-context.ts";
import { checkLeaderEpoch, hasPartition, highest, type ResolveTopic, resolveTopics } from "../resolve-topics.ts";

// Fetch v4-18.
// - Any broker serves any partition from the folded state and the stores; there is one history, so no epoch diverges.
// - read_committed equals read_uncommitted until transactions exist; its list of aborted transactions is then empty.
// v7 adds sessions (KIP-227). v9 checks the leader epoch (KIP-320). v13 names topics by id (KIP-516).

const FIRST_VERSION_WITH_TOPIC_IDS = 13;
const READ_COMMITTED = 1;

export const fetch = handler(Apis.FETCH, async (request, context, services) => {
  const byId = context.apiVersion >= FIRST_VERSION_WITH_TOPIC_IDS;
  const planned = services.fetchSessions.plan(sessionRequest(request, byId));
  if (planned.kind === "refused") return { errorCode: planned.error, sessionId: 0, responses: [] };
  const { plan } = planned;
  const found = await fetchPlanned(plan, request, { byId, context, services });
  const belongs = plan.answered(
    found.map((each) => ({
      errorCode: each.error,
      highWatermark: each.highWatermark,
      logStartOffset: each.logStartOffset,
      recordsByteLength: each.recordsByteLength,
    })),
  );
  return {
    errorCode: ErrorCode.NONE,
    sessionId: plan.sessionId,
    responses: groupedByTopic(plan, found, { belongs, readCommitted: request.isolationLevel === READ_COMMITTED }),
  };
});

function sessionRequest(request: FetchRequest, usesTopicIds: boolean) {
  return {
    sessionId: request.sessionId,
    sessionEpoch: request.sessionEpoch,
    usesTopicIds,
    partitions: request.topics.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((each) => ({
        topicName: topic,
        topicId,
        partitionIndex: each.partition,
        fetchOffset: each.fetchOffset,
        bytesMax: each.partitionMaxBytes,
        currentLeaderEpoch: each.currentLeaderEpoch,
        lastFetchedEpoch: each.lastFetchedEpoch,
      })),
    ),
    forgotten: request.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
      partitions.map((partitionIndex) => ({ topicName: topic, topicId, partitionIndex })),
    ),
  };
}

interface Surroundings {
  readonly byId: boolean;
  readonly context: RequestContext;
  readonly services: BrokerServices;
}

/** One answer a partition of the plan, in its order. */
async function fetchPlanned(
  { partitions }: FetchPlan,
  request: FetchRequest,
  { byId, context, services }: Surroundings,
): Promise<readonly FetchedPartition[]> {
  const resolve = await resolveTopics(services.cluster, references(partitions), { byId, signal: context.signal });
  const checked = partitions.map((partition) => checkPartition(partition, resolve));
  const fetches = checked.flatMap((each) => (typeof each === "number" ? [] : [each]));
  const fetched =
    fetches.length === 0
      ? []
      : await services.fetcher.fetch(fetches, {
          bytesMax: Math.min(Math.max(request.maxBytes, 0), FETCH_BYTES_MAX),
          bytesMin: request.minBytes,
          // An error is told at once, as on Kafka: the client has something to do about it.
          waitMsMax: fetches.length === checked.length ? Math.max(request.maxWaitMs, 0) : 0,
          readCommitted: request.isolationLevel === READ_COMMITTED,
          signal: context.signal,
          borrowed: context.borrowed,
        });
  let next = 0;
  return checked.map((each) => {
    const answer = typeof each === "number" ? failed(each) : fetched[next++];
    if (answer === undefined) return failed(ErrorCode.UNKNOWN_SERVER_ERROR);
    // A topic that vanished during the fetch: who named it by id is told so by its id.
    const hasVanished = answer.error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION && typeof each !== "number";
    return hasVanished && byId ? failed(ErrorCode.UNKNOWN_TOPIC_ID) : answer;
  });
}

/** One reference a topic, however many of its partitions are asked for. */
function references(partitions: readonly SessionPartition[]) {
  const byTopic = groupBy(partitions, ({ topicName, topicId }) => `${topicId}:${topicName}`);
  return [...byTopic.values()].flatMap((ofTopic) => {
    const [first] = ofTopic;
    if (first === undefined) return [];
    const highestPartition = highest(ofTopic.map(({ partitionIndex }) => partitionIndex));
    return [{ name: first.topicName, topicId: first.topicId, highestPartition }];
  });
}

function checkPartition(partition: SessionPartition, resolve: ResolveTopic): PartitionFetch | ErrorCode {
  const view = resolve({ name: partition.topicName, topicId: partition.topicId });
  if (typeof view === "number") return view;
  if (!hasPartition(view, partition.partitionIndex)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const epochError = checkLeaderEpoch(partition.currentLeaderEpoch);
  if (epochError !== ErrorCode.NONE) return epochError;
  return {
    topic: view.placement,
    partitionIndex: partition.partitionIndex,
    fetchOffset: partition.fetchOffset,
    bytesMax: Math.max(partition.bytesMax, 0),
  };
}

function failed(error: ErrorCode): FetchedPartition {
  const nothing = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
  return { error, ...nothing, records: [], recordsByteLength: 0 };
}

function groupedByTopic(
  { partitions }: FetchPlan,
  found: readonly FetchedPartition[],
  options: { readonly belongs: readonly boolean[]; readonly readCommitted: boolean },
) {
  const topics = new Map<
    string,
    { topic: string; topicId: SessionPartition["topicId"]; partitions: PartitionAnswer[] }
  >();
  for (const [at, asked] of partitions.entries()) {
    const answer = found[at];
    if (answer === undefined || options.belongs[at] !== true) continue;
    const key = `${asked.topicId}:${asked.topicName}`;
    let topic = topics.get(key);
    if (topic === undefined) {
      topic = { topic: asked.topicName, topicId: asked.topicId, partitions: [] };
      topics.set(key, topic);
    }
    topic.partitions.push(partitionAnswer(asked.partitionIndex, answer, options.readCommitted));
  }
  return [...topics.values()];
}

type PartitionAnswer = ReturnType<typeof partitionAnswer>;

function partitionAnswer(partitionIndex: number, answer: FetchedPartition, readCommitted: boolean) {
  return {
    partitionIndex,
    errorCode: answer.error,
    highWatermark: answer.highWatermark,
    lastStableOffset: answer.lastStableOffset,
    logStartOffset: answer.logStartOffset,
    abortedTransactions: readCommitted ? [] : null,
    preferredReadReplica: -1,
    records: answer.records,
  };
}
