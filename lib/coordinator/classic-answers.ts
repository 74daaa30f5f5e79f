import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { SyncCommand } from "./classic-command.ts";
import type { ClassicGroup } from "./classic-group.ts";
import { checkMember } from "./classic-members.ts";
import { checkSync } from "./fold-classic-sync.ts";
import type { GroupJournalState } from "./group-state.ts";

// What waiting members are answered, read from the folded state, by any process and as often as it likes.

/** Others have to come first: ask again after the next fold. */
export interface Waiting {
  readonly kind: "waiting";
}

export interface Refusal {
  readonly kind: "refused";
  readonly error: ErrorCode;
}

export interface JoinAnswer {
  readonly kind: "joined";
  readonly generationId: number;
  readonly protocolType: string;
  readonly protocolName: string;
  readonly leaderId: string;
  /** All members of the generation if the asker is the leader, with what they say in the group's protocol; else none. */
  readonly members: readonly JoinedMember[];
}

export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly metadata: Uint8Array;
}

const WAITING: Waiting = { kind: "waiting" };
const NO_BYTES = new Uint8Array(0);

/** What a member that has joined `round` (`JoinedOutcome.round`) is to be answered. */
export function joinAnswer(
  state: GroupJournalState,
  asker: {
    readonly groupId: string;
    readonly memberId: string;
    readonly groupInstanceId: string | undefined;
    readonly round: number;
  },
): Waiting | Refusal | JoinAnswer {
  const membership = state.groups.get(asker.groupId)?.membership;
  if (membership === undefined) return refusal(ErrorCode.UNKNOWN_MEMBER_ID);
  // The group was upgraded meanwhile: its members are to join it anew.
  if (membership.type === "consumer") return refusal(ErrorCode.REBALANCE_IN_PROGRESS);
  const error = checkMember(membership, asker);
  if (error !== ErrorCode.NONE) return refusal(error);
  if (membership.state === "PreparingRebalance" && membership.round === asker.round) return WAITING;
  // If yet another round has begun the answer is that of the last generation: the next request tells the member.
  const { generationId, protocolType, protocolName, leaderId } = membership;
  if (protocolName === undefined || leaderId === undefined) return refusal(ErrorCode.UNKNOWN_MEMBER_ID);
  const members = leaderId === asker.memberId ? membersOfGeneration(membership, protocolName) : [];
  return { kind: "joined", generationId, protocolType, protocolName, leaderId, members };
}

function membersOfGeneration(group: ClassicGroup, protocolName: string): readonly JoinedMember[] {
  const members: JoinedMember[] = [];
  for (const { memberId, groupInstanceId, protocols, isNew } of group.members.values()) {
    if (isNew) continue;
    const metadata = protocols.find(({ name }) => name === protocolName)?.metadata ?? NO_BYTES;
    members.push({ memberId, groupInstanceId, metadata });
  }
  return members;
}

export interface SyncAnswer {
  readonly kind: "synced";
  readonly protocolType: string;
  readonly protocolName: string;
  readonly assignment: Uint8Array;
}

/** What a SyncGroup is to be answered; `waiting` until the leader's assignments have come. */
export function syncAnswer(
  state: GroupJournalState,
  request: Omit<SyncCommand, "kind" | "assignments">,
): Waiting | Refusal | SyncAnswer {
  const membership = state.groups.get(request.groupId)?.membership;
  if (membership === undefined) return refusal(ErrorCode.UNKNOWN_MEMBER_ID);
  if (membership.type === "consumer") return refusal(ErrorCode.REBALANCE_IN_PROGRESS);
  const error = checkSync(membership, request);
  if (error !== ErrorCode.NONE) return refusal(error);
  if (membership.state === "CompletingRebalance") return WAITING;
  const { protocolType, protocolName } = membership;
  const assignment = membership.members.get(request.memberId)?.assignment ?? NO_BYTES;
  return { kind: "synced", protocolType, protocolName: protocolName ?? "", assignment };
}

function refusal(error: ErrorCode): Refusal {
  return { kind: "refused", error };
}
