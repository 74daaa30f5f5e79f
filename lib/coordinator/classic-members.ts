import { ErrorCode } from "#lib/protocol/error-code.ts";
import { unreachable } from "#lib/util/assert.ts";
import type { JoinCommand } from "./classic-command.ts";
import { type ClassicGroup, type ClassicMember, isAwaitingJoin } from "./classic-group.ts";
import { copyProtocols } from "./group-fields.ts";
import type { MemberProtocol } from "./member-types.ts";
import { Votes } from "./votes.ts";

// Who is in a classic group, and what its members have in common.

const NO_BYTES = new Uint8Array(0);

/** NONE if the caller is who it says. A static member is known by its instance id, and fenced when another has taken it. */
export function checkMember(
  group: ClassicGroup,
  caller: { readonly memberId: string; readonly groupInstanceId: string | undefined },
): ErrorCode {
  const { memberId, groupInstanceId } = caller;
  if (groupInstanceId !== undefined) {
    const standing = group.staticMembers.get(groupInstanceId);
    if (standing === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (standing !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  }
  return group.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
}

/** What the group's state alone says to a member of its present generation. */
export function stateError(group: ClassicGroup): ErrorCode {
  switch (group.state) {
    case "Empty":
      return ErrorCode.UNKNOWN_MEMBER_ID;
    case "PreparingRebalance":
      return ErrorCode.REBALANCE_IN_PROGRESS;
    case "CompletingRebalance":
    case "Stable":
      return ErrorCode.NONE;
    default:
      return unreachable(group.state);
  }
}

/** The first member is the leader until it leaves or misses a round. */
export function addMember(group: ClassicGroup, member: ClassicMember): void {
  group.members.set(member.memberId, member);
  group.pendingMembers.delete(member.memberId);
  if (member.groupInstanceId !== undefined) group.staticMembers.set(member.groupInstanceId, member.memberId);
  group.leaderId ??= member.memberId;
}

export function newMember(command: JoinCommand, at: { readonly round: number; readonly seq: number }): ClassicMember {
  return {
    memberId: command.memberId,
    groupInstanceId: command.groupInstanceId,
    clientId: command.clientId,
    clientHost: command.clientHost,
    rebalanceTimeoutMs: command.rebalanceTimeoutMs,
    sessionTimeoutMs: command.sessionTimeoutMs,
    protocols: copyProtocols(command.protocols),
    assignment: NO_BYTES,
    carried: undefined,
    joinedRound: at.round,
    isNew: true,
    hasSynced: false,
    seenSeq: at.seq,
  };
}

/** Forgets a member, or a reserved id. A leader is followed by whoever has been there longest. */
export function removeMember(group: ClassicGroup, memberId: string): void {
  const member = group.members.get(memberId);
  group.members.delete(memberId);
  group.pendingMembers.delete(memberId);
  if (member?.groupInstanceId !== undefined) group.staticMembers.delete(member.groupInstanceId);
  if (group.leaderId === memberId) group.leaderId = group.members.keys().next().value;
}

/** Puts a static member's new self in the place of its old one: same rank, same assignment, another id. */
export function replaceMember(group: ClassicGroup, old: ClassicMember, replacement: ClassicMember): void {
  const members = [...group.members.values()];
  group.members.clear();
  for (const member of members) {
    const standing = member === old ? replacement : member;
    group.members.set(standing.memberId, standing);
  }
  if (replacement.groupInstanceId !== undefined) {
    group.staticMembers.set(replacement.groupInstanceId, replacement.memberId);
  }
  group.pendingMembers.delete(replacement.memberId);
  if (group.leaderId === old.memberId) group.leaderId = replacement.memberId;
}

export function haveAllJoined(group: ClassicGroup): boolean {
  if (group.pendingMembers.size > 0) return false;
  for (const member of group.members.values()) if (!isAwaitingJoin(group, member)) return false;
  return true;
}

export function awaitingJoinCount(group: ClassicGroup): number {
  let count = 0;
  for (const member of group.members.values()) if (isAwaitingJoin(group, member)) count++;
  return count;
}

/** Whether a member with these protocols can be in the group: it has one that all its members have. */
export function supportsProtocols(
  group: ClassicGroup,
  protocolType: string,
  protocols: readonly MemberProtocol[],
): boolean {
  if (group.state === "Empty") return protocolType !== "" && protocols.length > 0;
  if (group.protocolType !== protocolType) return false;
  return protocols.some(({ name }) => isSupportedByAll(group, name));
}

/** Asked for every member that joins, hence without a list of what all have in common. */
function isSupportedByAll(group: ClassicGroup, name: string): boolean {
  for (const { protocols } of group.members.values()) {
    if (!protocols.some((protocol) => protocol.name === name)) return false;
  }
  return true;
}

/** The protocols that all members support, in the first one's order; undefined if there are no members to limit them. */
function commonProtocols(group: ClassicGroup): ReadonlySet<string> | undefined {
  let common: readonly string[] | undefined;
  for (const { protocols } of group.members.values()) {
    const isSupported = (name: string) => protocols.some((protocol) => protocol.name === name);
    common = common === undefined ? protocols.map(({ name }) => name) : common.filter(isSupported);
  }
  return common === undefined ? undefined : new Set(common);
}

/** What the members agree on: each votes for the first protocol of its own that all support, and most votes win. */
export function selectProtocol(group: ClassicGroup): string | undefined {
  const common = commonProtocols(group);
  const votes = new Votes();
  for (const member of group.members.values()) {
    const choice = member.protocols.find(({ name }) => common?.has(name));
    if (choice !== undefined) votes.add(choice.name);
  }
  return votes.winner;
}

/** Whether a member tells the same about itself as it did last. */
export function haveSameProtocols(one: readonly MemberProtocol[], other: readonly MemberProtocol[]): boolean {
  if (one.length !== other.length) return false;
  return one.every((protocol, index) => {
    const counterpart = other[index];
    if (counterpart?.name !== protocol.name) return false;
    return Buffer.compare(counterpart.metadata, protocol.metadata) === 0;
  });
}
