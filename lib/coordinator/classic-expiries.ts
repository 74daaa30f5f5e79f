import { NEW_MEMBER_JOIN_MS_MAX } from "#lib/util/limits.ts";
import { type ClassicGroup, type ClassicMember, isAwaitingJoin, rebalanceTimeoutMs } from "./classic-group.ts";
import { isAwaitingOthers } from "./fold-classic-heartbeat.ts";
import type { GroupCommand } from "./group-command.ts";

// What may expire in a classic group. An observer starts a timer when it first sees an expiry with a new `key`, on its own
// monotonic clock, drops it when the key is no longer there, and proposes the command when the time has passed. The fold
// refuses it if the group has gone on meanwhile, so any number of observers may do so.

export interface Expiry {
  /** Names all that was seen: another key is another expiry, whose time begins anew. */
  readonly key: string;
  readonly afterMs: number;
  readonly command: GroupCommand;
}

/** Every expiry of the group. */
export function classicExpiries(groupId: string, group: ClassicGroup): readonly Expiry[] {
  const expiries: Expiry[] = [...roundExpiries(groupId, group)];
  for (const member of group.members.values()) {
    const expiry = memberExpiry(groupId, group, member);
    if (expiry !== undefined) expiries.push(expiry);
  }
  for (const { memberId, sessionTimeoutMs, seenSeq } of group.pendingMembers.values()) {
    expiries.push(sessionExpiry(groupId, { memberId, seenSeq, afterMs: sessionTimeoutMs }));
  }
  return expiries;
}

/** The session time-out of one member; undefined while it waits for others. */
export function memberExpiry(groupId: string, group: ClassicGroup, member: ClassicMember): Expiry | undefined {
  if (isAwaitingOthers(group, member)) return undefined;
  const { memberId, seenSeq, sessionTimeoutMs } = member;
  // A new member does not know its id yet and cannot send heartbeats, so it gets longer.
  const afterMs = isAwaitingJoin(group, member) ? NEW_MEMBER_JOIN_MS_MAX : sessionTimeoutMs;
  return sessionExpiry(groupId, { memberId, seenSeq, afterMs });
}

function sessionExpiry(
  groupId: string,
  seen: { readonly memberId: string; readonly seenSeq: number; readonly afterMs: number },
): Expiry {
  const { memberId, seenSeq, afterMs } = seen;
  return {
    key: `member ${seenSeq} ${memberId}`,
    afterMs,
    command: { kind: "expire-member", groupId, memberId, seenSeq },
  };
}

/** The time-outs of the round that runs, or of the members that have not synced in the generation it made. */
export function roundExpiries(groupId: string, group: ClassicGroup): readonly Expiry[] {
  const { state, round, generationId, initialDelayMs } = group;
  const timeoutMs = rebalanceTimeoutMs(group);
  if (state === "PreparingRebalance") {
    const command = { kind: "complete-join", groupId, round } as const;
    const whole = { key: `join ${round}`, afterMs: Math.max(timeoutMs, initialDelayMs), command };
    if (initialDelayMs === 0) return [whole];
    // Each new member prolongs the wait for more of them, up to the rebalance time-out in all.
    const newest = Math.max(0, ...[...group.members.values()].map(({ seenSeq }) => seenSeq));
    return [whole, { key: `initial ${round} ${group.members.size} ${newest}`, afterMs: initialDelayMs, command }];
  }
  const hasMissing = [...group.members.values()].some(({ hasSynced }) => !hasSynced);
  if (!hasMissing) return [];
  const command = { kind: "expire-sync", groupId, generationId, round } as const;
  return [{ key: `sync ${round} ${generationId}`, afterMs: timeoutMs, command }];
}
