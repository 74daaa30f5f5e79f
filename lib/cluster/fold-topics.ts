import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, TOPICS_MAX } from "#lib/util/limits.ts";
import type {
  AlterTopicConfigsCommand,
  ClusterOutcome,
  CreatePartitionsCommand,
  CreateTopicCommand,
} from "./cluster-command.ts";
import { addTopic, type ClusterState, metricNameOf, removeTopic, type TopicState } from "./cluster-state.ts";
import { alterConfigs } from "./fold-configs.ts";

const DONE: ClusterOutcome = { kind: "done" };

export function refused(error: ErrorCode, detail = ""): ClusterOutcome {
  return { kind: "refused", error, detail };
}

export function foldCreateTopic(
  state: ClusterState,
  command: CreateTopicCommand,
  context: FoldContext,
): ClusterOutcome {
  const { topicId, name, partitionCount, replicationFactor, journalCount } = command;
  // Also while the topic of that name is being deleted: its records may still be in the log journals.
  if (state.topicIdsByName.has(name)) return refused(ErrorCode.TOPIC_ALREADY_EXISTS, name);
  if (state.topics.has(topicId)) return refused(ErrorCode.TOPIC_ALREADY_EXISTS, topicId);
  const inTheWay = state.topicNamesByMetricName.get(metricNameOf(name));
  if (inTheWay !== undefined) return refused(ErrorCode.INVALID_TOPIC_EXCEPTION, inTheWay);
  if (partitionCount < 1 || partitionCount > PARTITIONS_PER_TOPIC_MAX) return refused(ErrorCode.INVALID_PARTITIONS);
  if (replicationFactor < 1) return refused(ErrorCode.INVALID_REPLICATION_FACTOR);
  if (journalCount < 1) return refused(ErrorCode.INVALID_REQUEST);
  if (state.topics.size >= TOPICS_MAX) return refused(ErrorCode.POLICY_VIOLATION, "topics");
  if (state.partitionCount + partitionCount > PARTITIONS_MAX) return refused(ErrorCode.POLICY_VIOLATION, "partitions");

  const baseJournal = state.nextBaseJournal % journalCount;
  state.nextBaseJournal = (baseJournal + partitionCount) % journalCount;
  addTopic(state, {
    topicId,
    name,
    partitionCount,
    replicationFactor,
    baseJournal,
    journalCount,
    createdAtMs: context.proposedAtMs,
    configs: new Map(command.configs.map(({ key, value }) => [key, value])),
    deletingSince: undefined,
  });
  return { kind: "created", baseJournal };
}

export function foldCreatePartitions(state: ClusterState, command: CreatePartitionsCommand): ClusterOutcome {
  const topic = liveTopic(state, command.topicId);
  if (topic === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_ID);
  const added = command.partitionCount - topic.partitionCount;
  if (added <= 0 || command.partitionCount > PARTITIONS_PER_TOPIC_MAX) {
    return refused(ErrorCode.INVALID_PARTITIONS, String(topic.partitionCount));
  }
  if (state.partitionCount + added > PARTITIONS_MAX) return refused(ErrorCode.POLICY_VIOLATION, "partitions");
  topic.partitionCount = command.partitionCount;
  state.partitionCount += added;
  return DONE;
}

export function foldAlterTopicConfigs(state: ClusterState, command: AlterTopicConfigsCommand): ClusterOutcome {
  const topic = liveTopic(state, command.topicId);
  if (topic === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_ID);
  const result = alterConfigs(topic.configs, command.alteration);
  if (result.kind === "too-long") return refused(ErrorCode.INVALID_CONFIG, result.key);
  topic.configs = result.configs;
  return DONE;
}

export function foldDeleteTopic(state: ClusterState, topicId: TopicId, context: FoldContext): ClusterOutcome {
  const topic = liveTopic(state, topicId);
  if (topic === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_ID);
  topic.deletingSince = context.seq;
  return { kind: "deleting", deletingSince: context.seq };
}

export function foldForgetTopic(state: ClusterState, topicId: TopicId): ClusterOutcome {
  const topic = state.topics.get(topicId);
  if (topic === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_ID);
  if (topic.deletingSince === undefined) return refused(ErrorCode.INVALID_REQUEST, topic.name);
  removeTopic(state, topic);
  return DONE;
}

function liveTopic(state: ClusterState, topicId: TopicId): TopicState | undefined {
  const topic = state.topics.get(topicId);
  return topic?.deletingSince === undefined ? topic : undefined;
}
