import type { FetchedPartition } from "#lib/log/log-api.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { FetchRequest } from "#lib/protocol/messages/fetch.ts";
import { groupBy } from "#lib/util/group-by.ts";
import { FETCH_BYTES_MAX } from "#lib/util/limits.ts";
import { endpointAnswer, nodesAmong } from "../broker-nodes.ts";
import type { BrokerServices } from "../broker-services.ts";
import { type FetchedAnswer, type PlannedFetch, planFetch, settlePlaces } from "../fetch-places.ts";
import type { FetchPlan, SessionPartition } from "../fetch-sessions.ts";
import { handler } from "../handler.ts";
import type { RequestContext } from "../request-context.ts";
import { highest, resolveTopics } from "../resolve-topics.ts";

// Fetch v4-18.
// - Served are the partitions that this broker leads, and from v11 on those of which it has an in-sync replica (KIP-392):
//   what is folded is as exact as at the leader, and bytes come from the stores. fetch-places.ts decides.
// - There is one history, so no epoch diverges.
// - read_committed equals read_uncommitted until transactions exist; its list of aborted transactions is then empty.
// v7 adds sessions (KIP-227). v9 checks the leader epoch (KIP-320). v11 adds racks (KIP-392). v13 names topics by id
// (KIP-516). v16 names the leader in answers (KIP-951).

const FIRST_VERSION_WITH_TOPIC_IDS = 13;
const FIRST_VERSION_WITH_LEADERS = 16;
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
      isRedirected: each.preferredReadReplica !== undefined,
    })),
  );
  const namesLeaders = context.apiVersion >= FIRST_VERSION_WITH_LEADERS;
  const readCommitted = request.isolationLevel === READ_COMMITTED;
  return {
    errorCode: ErrorCode.NONE,
    sessionId: plan.sessionId,
    responses: groupedByTopic(plan, found, { belongs, readCommitted, namesLeaders }),
    ...(namesLeaders ? leaderEndpoints(found, context, services) : {}),
  };
});

/** Where to find the leaders that the answers name. */
function leaderEndpoints(found: readonly FetchedAnswer[], { listener }: RequestContext, services: BrokerServices) {
  const leaderIds = new Set<number>();
  for (const { leader } of found) if (leader !== undefined) leaderIds.add(leader.leaderId);
  return leaderIds.size === 0 ? {} : { nodeEndpoints: nodesAmong(leaderIds, services, listener).map(endpointAnswer) };
}

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
): Promise<readonly FetchedAnswer[]> {
  const resolve = await resolveTopics(services.cluster, references(partitions), { byId, signal: context.signal });
  const planning = { resolve, rack: request.rackId, context, services };
  const plan = () => partitions.map((partition) => planFetch(partition, planning));
  let planned = plan();
  if (await settlePlaces(planned, context.signal, services)) planned = plan();
  const fetches = planned.flatMap((each) => (each.kind === "fetch" ? [each.fetch] : []));
  const fetched =
    fetches.length === 0
      ? []
      : await services.fetcher.fetch(fetches, {
          bytesMax: Math.min(Math.max(request.maxBytes, 0), FETCH_BYTES_MAX),
          bytesMin: request.minBytes,
          // An error or another replica is told at once, as on Kafka: the client has something to do about it.
          waitMsMax: fetches.length === planned.length ? Math.max(request.maxWaitMs, 0) : 0,
          readCommitted: request.isolationLevel === READ_COMMITTED,
          signal: context.signal,
          borrowed: context.borrowed,
        });
  let next = 0;
  return planned.map((each) => answerOf(each, each.kind === "fetch" ? fetched[next++] : undefined, byId));
}

function answerOf(planned: PlannedFetch, fetched: FetchedPartition | undefined, byId: boolean): FetchedAnswer {
  if (planned.kind === "redirect") return { ...failed(ErrorCode.NONE), ...planned };
  if (planned.kind === "refused") return { ...failed(planned.error), leader: planned.leader };
  if (fetched === undefined) return failed(ErrorCode.UNKNOWN_SERVER_ERROR);
  // A topic that vanished during the fetch: who named it by id is told so by its id.
  const hasVanished = fetched.error === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  return hasVanished && byId ? failed(ErrorCode.UNKNOWN_TOPIC_ID) : fetched;
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

function failed(error: ErrorCode): FetchedAnswer {
  const nothing = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
  return { error, ...nothing, records: [], recordsByteLength: 0 };
}

function groupedByTopic(
  { partitions }: FetchPlan,
  found: readonly FetchedAnswer[],
  options: AnswerOptions & { readonly belongs: readonly boolean[] },
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
    topic.partitions.push(partitionAnswer(asked.partitionIndex, answer, options));
  }
  return [...topics.values()];
}

interface AnswerOptions {
  readonly readCommitted: boolean;
  readonly namesLeaders: boolean;
}

type PartitionAnswer = ReturnType<typeof partitionAnswer>;

function partitionAnswer(partitionIndex: number, answer: FetchedAnswer, options: AnswerOptions) {
  const { leader } = answer;
  const body = {
    partitionIndex,
    errorCode: answer.error,
    highWatermark: answer.highWatermark,
    lastStableOffset: answer.lastStableOffset,
    logStartOffset: answer.logStartOffset,
    abortedTransactions: options.readCommitted ? [] : null,
    preferredReadReplica: answer.preferredReadReplica ?? -1,
    records: answer.records,
  };
  if (leader === undefined || !options.namesLeaders) return body;
  return { ...body, currentLeader: { leaderId: leader.leaderId, leaderEpoch: leader.leaderEpoch } };
}
