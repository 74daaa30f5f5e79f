import { topicConfigDefinition } from "#lib/cluster/topic-configs.ts";
import { journalOfPartition } from "#lib/log/partition-directory.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ElectionType, type ElectLeadersRequest } from "#lib/protocol/messages/elect-leaders.ts";
import { defined } from "#lib/util/assert.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { adminTimeLimit, type ItemError, itemError, itemOrError, NO_ERROR } from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { type FindTopic, findTopics } from "../find-topics.ts";
import { handler } from "../handler.ts";
import { journalsOf, type TopicPartitionPlace } from "../leader-looks.ts";
import { hasPartition } from "../resolve-topics.ts";

// ElectLeaders v0-2 (KIP-183, KIP-460).
// - Preferred: journals have leaders, so a partition is elected with all others of its journal.
//   PREFERRED_LEADER_NOT_AVAILABLE where the first replica is at a store that has no broker or is not in sync.
// - Unclean: there is no replica that lacks what another has, so what there is to give up are records of which no copy is
//   left (housekeeping/lost-records.ts), where the topic has `unclean.leader.election.enable`. Then NONE;
//   ELIGIBLE_LEADERS_NOT_AVAILABLE where a store that may have them does not answer.
// - ELECTION_NOT_NEEDED where there is nothing to do. Asked for all partitions, Kafka leaves those out; their topics stand
//   there all the same.

/** Partitions are looked through for lost records so many at a time; each asks the stores for many objects at once. */
const SEARCHES_AT_ONCE = 4;
const NOT_NEEDED = itemError(ErrorCode.ELECTION_NOT_NEEDED);

interface Wanted {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/** In the order of the places. */
type Election = (
  places: readonly TopicPartitionPlace[],
  signal: AbortSignal,
  services: BrokerServices,
) => Promise<readonly ItemError[]>;

const ELECTIONS: ReadonlyMap<number, Election> = new Map([
  [ElectionType.PREFERRED, electPreferred],
  [ElectionType.UNCLEAN, giveUpLost],
]);

export const electLeaders = handler(Apis.ELECT_LEADERS, async (request, context, services) => {
  using limit = adminTimeLimit(request.timeoutMs, context, services);
  const { electionType, topicPartitions } = request;
  const elect = ELECTIONS.get(electionType);
  if (elect === undefined) {
    return failed(request, itemError(ErrorCode.INVALID_REQUEST, `Unknown election type ${electionType}`));
  }
  if (topicPartitions === null) {
    const failure = await itemOrError(services, () => services.cluster.refresh(limit.signal));
    if (failure !== undefined) return failed(request, failure);
  }
  const wanted = topicPartitions ?? everyPartition(services);
  const asked = wanted.map(({ topic, partitions }) => ({ name: topic, partitionIndexes: partitions }));
  const find = await findTopics(asked, services, limit.signal);
  const checked = wanted.map(({ topic, partitions }) =>
    partitions.map((partitionId) => checkPartition(topic, partitionId, find)),
  );
  const places = checked.flat().flatMap((each) => ("topic" in each ? [each] : []));
  const elected = await itemOrError(services, () => elect(places, limit.signal, services));
  let next = 0;
  const replicaElectionResults = wanted.map(({ topic, partitions }, at) => {
    const results = partitions.map((partitionId, i) => {
      const each = defined(checked[at]?.[i]);
      if ("errorCode" in each) return { partitionId, ...each };
      return { partitionId, ...("errorCode" in elected ? elected : defined(elected[next++])) };
    });
    const isTold = ({ errorCode }: ItemError) =>
      topicPartitions !== null || errorCode !== ErrorCode.ELECTION_NOT_NEEDED;
    return { topic, partitionResult: results.filter(isTold) };
  });
  return { throttleTimeMs: 0, replicaElectionResults };
});

function everyPartition({ cluster }: BrokerServices): readonly Wanted[] {
  return cluster.topics().map(({ name, partitionCount }) => ({
    topic: name,
    partitions: Array.from({ length: partitionCount }, (_, partitionId) => partitionId),
  }));
}

function checkPartition(topic: string, partitionId: number, find: FindTopic): TopicPartitionPlace | ItemError {
  const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const view = find(topic);
  if (view === unknown) return itemError(unknown, `No such topic as ${topic}`);
  if (typeof view === "number") return itemError(view);
  if (!hasPartition(view, partitionId)) return itemError(unknown, `No such partition as ${topic}-${partitionId}`);
  return { topic: view.placement, partitionIndex: partitionId };
}

async function electPreferred(
  places: readonly TopicPartitionPlace[],
  signal: AbortSignal,
  services: BrokerServices,
): Promise<readonly ItemError[]> {
  const { cluster, elector, nodes } = services;
  if (elector === undefined || cluster.runningBrokers().length === 0) {
    // This process is the only one that there is to lead.
    return places.map(({ topic, partitionIndex }) => {
      const { leaderId, replicaNodes } = nodes.of(topic, partitionIndex);
      return leaderId === replicaNodes[0] ? NOT_NEEDED : itemError(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE);
    });
  }
  const codes = await elector.electNow(journalsOf(places), signal);
  return places.map(({ topic, partitionIndex }) => {
    const code = codes.get(journalOfPartition(topic, partitionIndex)) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    if (code === ErrorCode.NONE) return NO_ERROR;
    // Kafka's word for it in this kind of election.
    const isMissing = code === ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE;
    return itemError(isMissing ? ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE : code);
  });
}

function giveUpLost(
  places: readonly TopicPartitionPlace[],
  signal: AbortSignal,
  services: BrokerServices,
): Promise<readonly ItemError[]> {
  return mapInChunks(places, SEARCHES_AT_ONCE, async (place) => {
    if (!mayGiveUp(place, services)) return NOT_NEEDED;
    const verdict = await itemOrError(services, () => services.lostRecords.declareLost(place, signal));
    if ("errorCode" in verdict) return verdict;
    if (verdict.kind !== "unknown") return verdict.kind === "whole" ? NOT_NEEDED : NO_ERROR;
    const message = `Copies may be at stores that do not answer: ${verdict.silent.join(", ")}.`;
    return itemError(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, message);
  });
}

function mayGiveUp({ topic }: TopicPartitionPlace, { cluster }: BrokerServices): boolean {
  const view = cluster.topic(topic.topicId);
  const definition = defined(topicConfigDefinition("unclean.leader.election.enable"));
  return view !== undefined && cluster.topicConfig(view, definition).value === "true";
}

/** One error for the request and for everything in it. Version 0, which has no place for the former, has type 0 alone. */
function failed({ topicPartitions }: ElectLeadersRequest, error: ItemError) {
  const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }: Wanted) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({ partitionId, ...error })),
  }));
  return { throttleTimeMs: 0, errorCode: error.errorCode, replicaElectionResults };
}
