import type { JournalSeq } from "#lib/util/branded.ts";
import type { Assignment, MemberProtocol } from "./member-types.ts";

// A group of the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.
//
//                      first member joins, or members change        all members have joined and no initial
//   +-------+          (a new round; the generation stands)         delay holds, or `complete-join`
//   | Empty | ----------------------> +--------------------+ ---------------------+
//   +-------+                         | PreparingRebalance |                      |  generation + 1
//       ^                             +--------------------+ <----------+         v
//       |                              |         ^                      |   +---------------------+
//       +------------------------------+         | member joins,        +-- | CompletingRebalance |
//         round complete, nobody left            | leaves, expires          +---------------------+
//         (generation + 1)                       |                                |
//                                             +--------+                          |  the leader's `sync`
//                                             | Stable | <------------------------+
//                                             +--------+
//
// A round is one stay in PreparingRebalance. A member has joined it when its `joinedRound` is the group's `round`; when
// the round is complete whoever has not joined is gone (static members stay: they have their session time-out to return).
// Members that only hold a reserved id (KIP-394) keep a round open as well, until they join or expire.

export const CLASSIC_STATES = ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"] as const;
export type ClassicGroupStateName = (typeof CLASSIC_STATES)[number];

export interface ClassicGroup {
  readonly type: "classic";
  state: ClassicGroupStateName;
  /** `consumer`, `connect` or what the members say; empty as long as the group only holds offsets. */
  protocolType: string;
  /** 0 before the first round is complete. Never goes back. */
  generationId: number;
  /** What the members of the generation have agreed on; undefined before the first one and when nobody is left. */
  protocolName: string | undefined;
  leaderId: string | undefined;
  /** The round that runs (in PreparingRebalance) or ran last; 0 before the first. */
  round: number;
  /**
   * For how long this round waits for more members whoever has joined, in ms: `group.initial.rebalance.delay.ms` of whom
   * began it, in a group that was empty; else 0. While it is not 0 only `complete-join` ends the round.
   */
  initialDelayMs: number;
  /** Key: member id. Insertion order is part of the state. */
  readonly members: Map<string, ClassicMember>;
  /** Ids that have been given out and not yet used (KIP-394). Key: member id. */
  readonly pendingMembers: Map<string, PendingMember>;
  /** Member ids by group instance id. Derived from `members`; no part of a snapshot. */
  readonly staticMembers: Map<string, string>;
}

export interface ClassicMember {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  /** In the member's order of preference; never empty. */
  protocols: readonly MemberProtocol[];
  /** What the leader gave it in this generation; empty bytes before. */
  assignment: Uint8Array;
  /**
   * What it may still own of the consumer group that this group was, until it has joined again and said so (undefined): for
   * the case that the group becomes a consumer group once more before that.
   */
  carried: Assignment | undefined;
  /** The last round that it joined. */
  joinedRound: number;
  /** It has never been part of a generation. */
  isNew: boolean;
  /** Its SyncGroup of this generation has come. */
  hasSynced: boolean;
  /** The record with its last sign of life. */
  seenSeq: JournalSeq;
}

export interface PendingMember {
  readonly memberId: string;
  readonly sessionTimeoutMs: number;
  readonly seenSeq: JournalSeq;
}

export function newClassicGroup(): ClassicGroup {
  return {
    type: "classic",
    state: "Empty",
    protocolType: "",
    generationId: 0,
    protocolName: undefined,
    leaderId: undefined,
    round: 0,
    initialDelayMs: 0,
    members: new Map(),
    pendingMembers: new Map(),
    staticMembers: new Map(),
  };
}

/** Whether the member's JoinGroup waits for the round to be complete. */
export function isAwaitingJoin(group: ClassicGroup, member: ClassicMember): boolean {
  return group.state === "PreparingRebalance" && member.joinedRound === group.round;
}

/** The longest of its members' rebalance time-outs, in ms. How long a round waits for members to join, or to sync. */
export function rebalanceTimeoutMs(group: ClassicGroup): number {
  let longestMs = 0;
  for (const member of group.members.values()) longestMs = Math.max(longestMs, member.rebalanceTimeoutMs);
  return longestMs;
}
