import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ElectionType, type ElectLeadersRequest } from "#lib/protocol/messages/elect-leaders.ts";
import { adminTimeLimit, type ItemError, itemError, itemOrError } from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { type FindTopic, findTopics } from "../find-topics.ts";
import { handler } from "../handler.ts";
import type { ReplicaNodes } from "../replica-nodes.ts";
import { hasPartition } from "../resolve-topics.ts";

// ElectLeaders v0-2 (KIP-183, KIP-460).
// - One broker leads everything, so nothing is ever elected: ELECTION_NOT_NEEDED, or PREFERRED_LEADER_NOT_AVAILABLE where
//   the first replica is at a store that has no broker.
// - Asked for all partitions, Kafka leaves those out that need no election; their topics stand there all the same.

type TopicPartitions = NonNullable<ElectLeadersRequest["topicPartitions"]>[number];

export const electLeaders = handler(Apis.ELECT_LEADERS, async (request, context, services) => {
  using limit = adminTimeLimit(request.timeoutMs, context, services);
  const { electionType, topicPartitions } = request;
  if (electionType !== ElectionType.PREFERRED && electionType !== ElectionType.UNCLEAN) {
    return failed(request, itemError(ErrorCode.INVALID_REQUEST, `Unknown election type ${electionType}`));
  }
  const election = { type: electionType, nodes: services.nodes };
  if (topicPartitions === null) {
    const failure = await itemOrError(services, () => services.cluster.refresh(limit.signal));
    return failure === undefined ? everyTopic(election, services) : failed(request, failure);
  }
  const asked = topicPartitions.map(({ topic, partitions }) => ({ name: topic, partitionIndexes: partitions }));
  const find = await findTopics(asked, services, limit.signal);
  const replicaElectionResults = topicPartitions.map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({
      partitionId,
      ...electLeader({ topic, partitionId, find }, election),
    })),
  }));
  return { throttleTimeMs: 0, replicaElectionResults };
});

interface Election {
  readonly type: number;
  readonly nodes: ReplicaNodes;
}

function electLeader(
  { topic, partitionId, find }: { readonly topic: string; readonly partitionId: number; readonly find: FindTopic },
  { type, nodes }: Election,
): ItemError {
  const unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const view = find(topic);
  if (view === unknown) return itemError(unknown, `No such topic as ${topic}`);
  if (typeof view === "number") return itemError(view);
  if (!hasPartition(view, partitionId)) return itemError(unknown, `No such partition as ${topic}-${partitionId}`);
  const { leaderId, replicaNodes } = nodes.of(view.placement, partitionId);
  const isWanted = type === ElectionType.UNCLEAN || leaderId === replicaNodes[0];
  return itemError(isWanted ? ErrorCode.ELECTION_NOT_NEEDED : ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE);
}

function everyTopic(election: Election, { cluster }: BrokerServices) {
  const replicaElectionResults = cluster.topics().map(({ name, partitionCount }) => {
    const find: FindTopic = () => cluster.topicByName(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    const results = Array.from({ length: partitionCount }, (_, partitionId) => ({
      partitionId,
      ...electLeader({ topic: name, partitionId, find }, election),
    }));
    const partitionResult = results.filter(({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED);
    return { topic: name, partitionResult };
  });
  return { throttleTimeMs: 0, replicaElectionResults };
}

/** One error for the request and for everything in it. Version 0, which has no place for the former, has type 0 alone. */
function failed({ topicPartitions }: ElectLeadersRequest, error: ItemError) {
  const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }: TopicPartitions) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({ partitionId, ...error })),
  }));
  return { throttleTimeMs: 0, errorCode: error.errorCode, replicaElectionResults };
}
