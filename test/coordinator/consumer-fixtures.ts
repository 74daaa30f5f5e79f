import type { ConsumerHeartbeatCommand } from "#lib/coordinator/consumer-command.ts";
import type { ConsumerGroup, ConsumerMember } from "#lib/coordinator/consumer-group.ts";
import { dueProposal, type TopicsView } from "#lib/coordinator/consumer-target.ts";
import type { ConsumerHeartbeatOutcome } from "#lib/coordinator/group-outcome.ts";
import type { Assignment } from "#lib/coordinator/member-types.ts";
import { TopicRegexes } from "#lib/coordinator/topic-regex.ts";
import { defined } from "#lib/util/assert.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { FoldedGroups, GROUP, topicIdOf } from "./group-fixtures.ts";

/** A member that joins, and tells everything. */
export function heartbeatOf(
  memberId: string,
  fields: Partial<ConsumerHeartbeatCommand> = {},
): ConsumerHeartbeatCommand {
  return {
    kind: "consumer-heartbeat",
    groupId: GROUP,
    memberId,
    memberEpoch: 0,
    instanceId: undefined,
    rackId: undefined,
    clientId: "client",
    clientHost: "/127.0.0.1",
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: ["t1"],
    subscribedTopicRegex: undefined,
    serverAssignor: undefined,
    owned: new Map(),
    groupSizeMax: 1_000,
    classicSizeMax: 1_000,
    upgrade: undefined,
    ...fields,
  };
}

/** The same member once it is in the group and has nothing new to tell. */
export function beatOf(
  memberId: string,
  memberEpoch: number,
  fields: Partial<ConsumerHeartbeatCommand> = {},
): ConsumerHeartbeatCommand {
  const silent = { rebalanceTimeoutMs: -1, subscribedTopicNames: undefined, owned: undefined };
  return heartbeatOf(memberId, { memberEpoch, ...silent, ...fields });
}

/** Partitions of topics by number: `{ 1: [0, 2] }` are partitions 0 and 2 of topic 1. */
export function partitions(byTopic: Readonly<Record<number, readonly number[]>>): Assignment {
  return new Map(Object.entries(byTopic).map(([n, list]) => [topicIdOf(Number(n)), list]));
}

/** The view in which topic number n is called `t<n>`. */
export function viewOf(counts: Readonly<Record<number, number>>, clusterSeq = 1): TopicsView {
  const topics = new Map<string, { topicId: TopicId; partitionCount: number }>();
  for (const [n, partitionCount] of Object.entries(counts)) {
    topics.set(`t${n}`, { topicId: topicIdOf(Number(n)), partitionCount });
  }
  return { clusterSeq, names: [...topics.keys()].sort(), topic: (name) => topics.get(name) };
}

export const ASSIGNOR_NAMES = ["uniform", "range"];

/** Consumer groups under test: `FoldedGroups`, with a shell that proposes what is due when it is told to. */
export class FoldedConsumers extends FoldedGroups {
  view: TopicsView = viewOf({ 1: 4 });
  readonly #regexes = new TopicRegexes();

  get consumer(): ConsumerGroup {
    const { membership } = this.group;
    if (membership.type !== "consumer") throw new Error(`the group is a ${membership.type} group`);
    return membership;
  }

  consumerMember(memberId: string): ConsumerMember {
    return defined(this.consumer.members.get(memberId), memberId);
  }

  /** Proposes what is due, as long as something is. */
  settle(): void {
    for (let due = this.due(); due !== undefined; due = this.due()) this.fold(due);
  }

  due() {
    const group = this.state.groups.get(GROUP);
    if (group === undefined) return undefined;
    return dueProposal(group, { view: this.view, regexes: this.#regexes, assignors: ASSIGNOR_NAMES });
  }

  /** Folds a heartbeat that is taken. */
  beat(command: ConsumerHeartbeatCommand): ConsumerHeartbeatOutcome {
    const outcome = this.fold(command);
    if (outcome.kind !== "consumer-heartbeat") throw new Error(JSON.stringify(outcome));
    return outcome;
  }

  /** Sets a target whatever an assignor would say. */
  setTarget(target: Readonly<Record<string, Assignment>>): string {
    return this.brief({
      kind: "set-target-assignment",
      groupId: GROUP,
      createdSeq: this.group.createdSeq,
      groupEpoch: this.consumer.groupEpoch,
      target: Object.entries(target).map(([memberId, owned]) => ({ memberId, partitions: owned })),
    });
  }

  expireConsumer(memberId: string, seenSeq = this.consumerMember(memberId).seenSeq): string {
    return this.brief({ kind: "expire-member", groupId: GROUP, memberId, seenSeq });
  }

  /** Lets all members come to their targets, each owning what it was told at once. */
  reconcileAll(): void {
    this.settle();
    for (let round = 0; round < 4; round++) {
      for (const { memberId, memberEpoch, assigned, classic } of this.consumer.members.values()) {
        if (classic === undefined && memberEpoch > 0) this.beat(beatOf(memberId, memberEpoch, { owned: assigned }));
      }
    }
  }
}

/** A group of these members, each at its part of the target. */
export function reconciledGroup(...memberIds: readonly string[]): FoldedConsumers {
  const groups = new FoldedConsumers();
  for (const memberId of memberIds) groups.beat(heartbeatOf(memberId));
  groups.reconcileAll();
  return groups;
}
