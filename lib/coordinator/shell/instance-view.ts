import type { JournalSeq, Offset, TopicId } from "#lib/util/branded.ts";
import {
  assignedPartitions,
  type ConsumerInstance,
  type InstanceConfig,
  type InstanceSubscription,
} from "../consumer-instance.ts";
import type { GroupJournalState } from "../group-state.ts";
import type { Assignment } from "../member-types.ts";

/** A consumer instance at one version. A copy: the folded state goes on. */
export interface InstanceView {
  readonly groupId: string;
  readonly instanceId: string;
  readonly createdSeq: JournalSeq;
  readonly version: number;
  readonly config: InstanceConfig;
  readonly subscription: InstanceSubscription;
  /** The topics that it subscribes to; of a pattern those that match it. */
  readonly topicNames: readonly string[];
  readonly deliveries: number;
  readonly hasUncommitted: boolean;
  /** What it may fetch from. */
  readonly assigned: Assignment;
  /** The same, with where it is. */
  readonly partitions: readonly ViewedPartition[];
}

export interface ViewedPartition {
  readonly topicId: TopicId;
  readonly partitionIndex: number;
  /** Its position, else what the group has committed; undefined if neither is there. */
  readonly offset: Offset | undefined;
  readonly hasPosition: boolean;
}

export function viewOf(state: GroupJournalState, instance: ConsumerInstance): InstanceView {
  const { groupId, instanceId, createdSeq, version, config, subscription, deliveries, hasUncommitted } = instance;
  const assigned = assignedPartitions(state, instance);
  const committed = state.groups.get(groupId)?.offsets;
  const partitions = [...assigned].flatMap(([topicId, indexes]) =>
    indexes.map((partitionIndex): ViewedPartition => {
      const position = instance.positions.get(topicId)?.get(partitionIndex);
      const offset = position ?? committed?.get(topicId)?.get(partitionIndex)?.offset;
      // Kafka's clients may commit -1 for "nothing".
      const isThere = offset !== undefined && offset >= 0;
      return {
        topicId,
        partitionIndex,
        offset: isThere ? offset : undefined,
        hasPosition: position !== undefined,
      };
    }),
  );
  const fields = { groupId, instanceId, createdSeq, version, config, subscription, deliveries, hasUncommitted };
  return { ...fields, topicNames: topicNamesOf(state, instance), assigned, partitions };
}

function topicNamesOf(state: GroupJournalState, { groupId, subscription }: ConsumerInstance): readonly string[] {
  if (subscription.kind === "topics") return subscription.topicNames;
  if (subscription.kind !== "pattern") return [];
  const membership = state.groups.get(groupId)?.membership;
  return membership?.type === "consumer" ? (membership.resolvedRegexes.get(subscription.regex) ?? []) : [];
}
