import type { Expiry } from "./classic-expiries.ts";
import { mustRejoin } from "./consumer-classic-checks.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer-group.ts";

const NO_INSTANCES: ReadonlySet<string> = new Set();

// What may expire in a consumer group; observers do with it what they do with a classic group's (classic-expiries.ts).

/**
 * Every expiry of the group. `sessionTimeoutMs` is the group's `consumer.session.timeout.ms`; classic members bring their own, and
 * those of instances, by their ids, have none: they go with them (instance-expiries.ts).
 */
export function consumerExpiries(
  groupId: string,
  group: ConsumerGroup,
  sessionTimeoutMs: number,
  instances: { has(memberId: string): boolean } = NO_INSTANCES,
): readonly Expiry[] {
  const expiries: Expiry[] = [];
  for (const member of group.members.values()) {
    const { memberId, seenSeq, classic } = member;
    if (classic !== undefined || !instances.has(memberId)) {
      expiries.push({
        key: `member ${seenSeq} ${memberId}`,
        afterMs: classic?.sessionTimeoutMs ?? sessionTimeoutMs,
        command: { kind: "expire-member", groupId, memberId, seenSeq },
      });
    }
    const rebalance = rebalanceExpiry(groupId, group, member);
    if (rebalance !== undefined) expiries.push(rebalance);
  }
  return expiries;
}

/** A member that is to give up partitions, or a classic one that is to join again, has its rebalance time-out for it. */
function rebalanceExpiry(groupId: string, group: ConsumerGroup, member: ConsumerMember): Expiry | undefined {
  const { memberId, memberEpoch, state, rebalanceTimeoutMs, pendingRevocation } = member;
  const isDue = member.classic === undefined ? state === "UnrevokedPartitions" : mustRejoin(group, member);
  if (!isDue) return undefined;
  // Other partitions to give up are another matter, with time of their own.
  const pending = [...pendingRevocation].map(([topicId, partitions]) => `${topicId} ${partitions.join(",")}`);
  return {
    key: `rebalance ${memberEpoch} ${memberId} ${pending.join(" ")}`,
    afterMs: rebalanceTimeoutMs,
    command: { kind: "expire-rebalance", groupId, memberId, memberEpoch },
  };
}
