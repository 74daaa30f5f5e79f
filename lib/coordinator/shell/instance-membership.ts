import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GROUP_ATTEMPTS_MAX } from "#lib/util/limits.ts";
import { intersection, NO_PARTITIONS } from "../assignment-sets.ts";
import type { ConsumerGroup, ConsumerMember } from "../consumer-group.ts";
import { haveSameSubscription } from "../consumer-heartbeat.ts";
import { type ConsumerInstance, findInstance, instanceMember, isSubscribed } from "../consumer-instance.ts";
import { JOIN_EPOCH } from "../consumer-members.ts";
import { hasItsTarget, isTargetCurrent, reconciled } from "../consumer-reconciliation.ts";
import type { GroupJournal } from "../group-journals.ts";
import type { GroupJournalState } from "../group-state.ts";
import type { Assignment } from "../member-types.ts";
import type { ConsumerCalls } from "./consumer-calls.ts";
import type { ConsumerHeartbeatRequest, RequestFault } from "./consumer-request-check.ts";

/** What tools show of the client, whose calls come from anywhere. */
const CLIENT_ID = "http";
const CLIENT_HOST = "/http";

export interface BeatOptions {
  /**
   * Whether the client is through with what it was given: then what is to be given up goes. Of a poll: how many deliveries
   * there were when it came; nothing goes while another poll's is on its way.
   */
  readonly givesUp: false | { readonly deliveries: number };
  /** Called before the member's partitions may change. */
  readonly beforeChange?: () => Promise<void>;
}

/**
 * Heartbeats of instances' members (KIP-848). What a member owns and its epoch stand in the journal, where whoever speaks
 * for it reads them: no process has to remember anything.
 */
export class InstanceMembership {
  readonly #consumers: ConsumerCalls;

  constructor(consumers: ConsumerCalls) {
    this.#consumers = consumers;
  }

  /** Takes note of what the member, if there is one, is to give up; it gives up nothing. */
  async hear(
    journal: GroupJournal,
    who: Pick<ConsumerInstance, "groupId" | "instanceId">,
    signal: AbortSignal,
  ): Promise<void> {
    const instance = findInstance(journal.state, who);
    const group = journal.state.groups.get(who.groupId)?.membership;
    if (instance === undefined || !isSubscribed(instance) || group?.type !== "consumer") return;
    const member = instanceMember(journal.state, instance);
    if (member === undefined || !isStepDue(group, member, undefined)) return;
    await this.#consumers.heartbeat(heartbeatOf(journal.state, instance, { mustJoin: false, givesUp: false }), signal);
  }

  /** Joins if it is not there (any more), and goes on until nothing is left to do. Undefined, or why it may not. */
  async beat(
    journal: GroupJournal,
    who: Pick<ConsumerInstance, "groupId" | "instanceId">,
    options: BeatOptions,
    signal: AbortSignal,
  ): Promise<RequestFault | undefined> {
    let mustJoin = false;
    for (let attempt = 0; attempt < GROUP_ATTEMPTS_MAX; attempt++) {
      const instance = findInstance(journal.state, who);
      if (instance === undefined) return { error: ErrorCode.UNKNOWN_MEMBER_ID, message: undefined };
      if (!isSubscribed(instance)) return undefined;
      if (isChangeDue(journal.state, instance)) await options.beforeChange?.();
      const givesUp = options.givesUp !== false && options.givesUp.deliveries === instance.deliveries;
      const request = heartbeatOf(journal.state, instance, { mustJoin, givesUp });
      const result = await this.#consumers.heartbeat(request, signal);
      if (result.kind === "refused") {
        const isLost = LOST_ERRORS.includes(result.error) && request.memberEpoch !== JOIN_EPOCH;
        if (!isLost) return result;
        mustJoin = true;
        continue;
      }
      mustJoin = false;
      if (!givesUp || !isChangeDue(journal.state, instance)) return undefined;
    }
    return undefined;
  }
}

/** The member is not who the journal says any more: others have read on, or it was expelled. */
const LOST_ERRORS: readonly ErrorCode[] = [
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_MEMBER_EPOCH,
  ErrorCode.GROUP_ID_NOT_FOUND,
];

/** Whether a heartbeat that gives up what is to be given up would change something. */
export function isChangeDue(state: GroupJournalState, instance: ConsumerInstance): boolean {
  if (!isSubscribed(instance)) return false;
  const group = state.groups.get(instance.groupId)?.membership;
  const member = instanceMember(state, instance);
  if (group?.type !== "consumer" || member === undefined) return true;
  if (!haveSameSubscription(member, subscriptionOf(instance))) return true;
  return isStepDue(group, member, keptOf(group, member));
}

function isStepDue(group: ConsumerGroup, member: ConsumerMember, owned: Assignment | undefined): boolean {
  return !hasItsTarget(group, member) && reconciled(group, member, owned) !== undefined;
}

function heartbeatOf(
  state: GroupJournalState,
  instance: ConsumerInstance,
  { mustJoin, givesUp }: { readonly mustJoin: boolean; readonly givesUp: boolean },
): ConsumerHeartbeatRequest {
  const { groupId, instanceId, config, subscription } = instance;
  const group = state.groups.get(groupId)?.membership;
  const member = mustJoin ? undefined : instanceMember(state, instance);
  const isMember = group?.type === "consumer" && member !== undefined;
  const kept = isMember && givesUp ? keptOf(group, member) : undefined;
  return {
    groupId,
    memberId: instanceId,
    memberEpoch: isMember ? member.memberEpoch : JOIN_EPOCH,
    instanceId: undefined,
    rackId: undefined,
    clientId: CLIENT_ID,
    clientHost: CLIENT_HOST,
    rebalanceTimeoutMs: config.timeoutMs,
    subscribedTopicNames: subscription.kind === "topics" ? subscription.topicNames : [],
    subscribedTopicRegex: subscription.kind === "pattern" ? subscription.regex : "",
    serverAssignor: undefined,
    owned: isMember ? kept : NO_PARTITIONS,
    makesOwnMemberId: true,
  };
}

function subscriptionOf({ subscription }: ConsumerInstance) {
  return {
    subscribedTopicNames: subscription.kind === "topics" ? subscription.topicNames : [],
    subscribedTopicRegex: subscription.kind === "pattern" ? subscription.regex : undefined,
  };
}

/** What the member owns once it has given up what its target lacks. */
function keptOf(group: ConsumerGroup, member: ConsumerMember): Assignment {
  if (!isTargetCurrent(group, member)) return member.assigned;
  return intersection(member.assigned, group.targetAssignment.get(member.memberId) ?? NO_PARTITIONS);
}
