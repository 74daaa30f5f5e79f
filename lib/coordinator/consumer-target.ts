import { createHash } from "node:crypto";
import type { JournalSeq, TopicId } from "#lib/util/branded.ts";
import { NO_PARTITIONS } from "./assignment-sets.ts";
import type { Assignor, AssignorMember } from "./assignors/assignor.ts";
import { assignRange } from "./assignors/range-assignor.ts";
import { assignUniform } from "./assignors/uniform-assignor.ts";
import type { MetadataChangedCommand, SetTargetAssignmentCommand } from "./consumer-command.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";
import { subscribedRegexes } from "./consumer-members.ts";
import type { GroupState } from "./group-state.ts";
import type { TopicRegexes } from "./topic-regex.ts";
import { Votes } from "./votes.ts";

// What is computed outside the fold, from a view of the cluster, and proposed to it.
//
//   metadata or matching topics differ from what the group knows   --> metadata-changed   (the group epoch rises)
//   else groupEpoch > assignmentEpoch                              --> set-target-assignment
//   else nothing
//
// Whoever finds that a group needs one of them may propose it; the fold takes the first.

/** The assignors that `group.consumer.assignors` may name. */
export const ASSIGNORS: ReadonlyMap<string, Assignor> = new Map([
  ["uniform", assignUniform],
  ["range", assignRange],
]);

/** A view of the cluster as far as groups need it. */
export interface TopicsView {
  /** The cluster journal's number of the view. */
  readonly clusterSeq: JournalSeq;
  /** All names that subscriptions may mean, ascending; the same array as long as they are the same. */
  readonly names: readonly string[];
  topic(name: string): { readonly topicId: TopicId; readonly partitionCount: number } | undefined;
}

export interface TargetInputs {
  readonly view: TopicsView;
  readonly regexes: TopicRegexes;
  /** `group.consumer.assignors`: the broker's own choice first. */
  readonly assignors: readonly string[];
}

/** What is to be proposed for the group as it stands; undefined if nothing. */
export function dueProposal(
  group: GroupState,
  inputs: TargetInputs,
): MetadataChangedCommand | SetTargetAssignmentCommand | undefined {
  const { membership } = group;
  if (membership.type !== "consumer" || membership.members.size === 0) return undefined;
  // A view that is older than what the group has seen says nothing about it.
  if (inputs.view.clusterSeq < membership.metadataSeq) return undefined;
  const changed = metadataChange(group, membership, inputs);
  if (changed !== undefined) return changed;
  if (membership.groupEpoch === membership.assignmentEpoch) return undefined;
  return {
    kind: "set-target-assignment",
    groupId: group.groupId,
    createdSeq: group.createdSeq,
    groupEpoch: membership.groupEpoch,
    target: computeTarget(membership, inputs),
  };
}

function metadataChange(
  { groupId, createdSeq }: GroupState,
  group: ConsumerGroup,
  { view, regexes }: TargetInputs,
): MetadataChangedCommand | undefined {
  const resolvedRegexes = regexes.resolve(subscribedRegexes(group), view.names);
  const resolved = new Map(resolvedRegexes.map(({ regex, topicNames }) => [regex, topicNames]));
  const metadataHash = hashOf(group, resolved, view);
  const isCurrent =
    metadataHash === group.metadataHash &&
    resolved.size === group.resolvedRegexes.size &&
    [...resolved].every(([regex, names]) => haveSameNames(names, group.resolvedRegexes.get(regex)));
  if (isCurrent) return undefined;
  const { clusterSeq } = view;
  return {
    kind: "metadata-changed",
    groupId,
    createdSeq,
    groupEpoch: group.groupEpoch,
    clusterSeq,
    metadataHash,
    resolvedRegexes,
  };
}

function haveSameNames(names: readonly string[], others: readonly string[] | undefined): boolean {
  return names.length === others?.length && names.every((name, index) => others[index] === name);
}

/** Names, ids and numbers of partitions of all subscribed topics: what assignors go by. */
function hashOf(group: ConsumerGroup, resolved: ReadonlyMap<string, readonly string[]>, view: TopicsView): string {
  const names = new Set<string>();
  for (const member of group.members.values()) for (const name of topicNamesOf(member, resolved)) names.add(name);
  const hash = createHash("sha256");
  for (const name of [...names].sort()) {
    const topic = view.topic(name);
    if (topic !== undefined) hash.update(`${name} ${topic.topicId} ${topic.partitionCount}\n`);
  }
  return hash.digest("base64url").slice(0, 22);
}

/** The topics that a member subscribes to, by name or as matches of its expression. */
export function topicNamesOf(
  member: ConsumerMember,
  resolved: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<string> {
  const { subscribedTopicNames, subscribedTopicRegex: regex } = member;
  const matching = regex === undefined ? [] : (resolved.get(regex) ?? []);
  return new Set([...subscribedTopicNames, ...matching]);
}

/** What each member is to own, by the assignor that most of them ask for. */
export function computeTarget(
  group: ConsumerGroup,
  { view, assignors }: Pick<TargetInputs, "view" | "assignors">,
): SetTargetAssignmentCommand["target"] {
  const partitionCounts = new Map<TopicId, number>();
  const members: AssignorMember[] = [];
  for (const member of group.members.values()) {
    const subscribedTopicIds = new Set<TopicId>();
    for (const name of topicNamesOf(member, group.resolvedRegexes)) {
      const topic = view.topic(name);
      if (topic === undefined) continue;
      subscribedTopicIds.add(topic.topicId);
      partitionCounts.set(topic.topicId, topic.partitionCount);
    }
    const { memberId } = member;
    members.push({ memberId, subscribedTopicIds, owned: group.targetAssignment.get(memberId) ?? NO_PARTITIONS });
  }
  const assign = ASSIGNORS.get(assignorOf(group, assignors)) ?? assignUniform;
  const target = assign(members, partitionCounts);
  return [...target].map(([memberId, partitions]) => ({ memberId, partitions }));
}

/** The assignor that most members ask for, or the broker's own choice. As ConsumerGroupDescribe shows it. */
export function assignorOf(group: ConsumerGroup, assignors: readonly string[]): string {
  const votes = new Votes();
  for (const { serverAssignor } of group.members.values()) {
    if (serverAssignor !== undefined && assignors.includes(serverAssignor)) votes.add(serverAssignor);
  }
  return votes.winner ?? assignors[0] ?? "uniform";
}
