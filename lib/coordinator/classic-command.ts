import type { ConsumerSubscription } from "./consumer-command.ts";
import type { MemberProtocol } from "./member-types.ts";

// Commands of the classic protocol. A group of the consumer protocol that has members takes them too, for members that
// speak the classic one (KIP-848's online upgrade).

/** JoinGroup. Joining again in the same round changes nothing but what the member tells about itself. */
export interface JoinCommand {
  readonly kind: "join";
  readonly groupId: string;
  /** The client's, or the one that the door has made for a client that has none yet. */
  readonly memberId: string;
  /** The client had no member id: the door has made one. */
  readonly isNewMemberId: boolean;
  /** Only reserve a new id and let the client join with it (KIP-394, JoinGroup v4 and above); static members never. */
  readonly mustReserve: boolean;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly protocolType: string;
  /** In the member's order of preference. */
  readonly protocols: readonly MemberProtocol[];
  /** `group.max.size` as the door knows it. */
  readonly groupSizeMax: number;
  /** `group.initial.rebalance.delay.ms`; counts if the group is empty. 0: the round waits for known members only. */
  readonly initialDelayMs: number;
  /**
   * What the protocol metadata of a `consumer` says, parsed by the door: needed only by a consumer group with members.
   * Without it such a group answers `subscription-needed`.
   */
  readonly subscription: ConsumerSubscription | undefined;
}

/**
 * Ends a round although not all members have joined: the rebalance time-out or the initial delay has passed on the
 * proposer's clock. `moved` if the round is over, `nobody-joined` if it must go on, for only static members are left and
 * none of them has joined.
 */
export interface CompleteJoinCommand {
  readonly kind: "complete-join";
  readonly groupId: string;
  readonly round: number;
}

/**
 * SyncGroup. The leader's carries the assignments and makes the group Stable. A follower's carries none and only says
 * that it has come: it is answered from the state, and the proposal need not be waited for.
 */
export interface SyncCommand {
  readonly kind: "sync";
  readonly groupId: string;
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly generationId: number;
  /** undefined before SyncGroup v5: not compared. */
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  readonly assignments: readonly MemberAssignment[];
}

export interface MemberAssignment {
  readonly memberId: string;
  readonly assignment: Uint8Array;
}

/**
 * Removes the members whose SyncGroup has not come within the rebalance time-out, and begins a new round. `moved` if the
 * generation is over or all have come.
 */
export interface ExpireSyncCommand {
  readonly kind: "expire-sync";
  readonly groupId: string;
  readonly generationId: number;
  /** The round that made the generation. */
  readonly round: number;
}

/** Heartbeat, when a third of the session time-out has passed since the last sign of life in the journal. */
export interface HeartbeatCommand {
  readonly kind: "heartbeat";
  readonly groupId: string;
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly generationId: number;
}

/** LeaveGroup, and the removal of members by an administrator. */
export interface LeaveCommand {
  readonly kind: "leave";
  readonly groupId: string;
  readonly members: readonly LeavingMember[];
}

export interface LeavingMember {
  /** Empty: whoever has the instance id. */
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
}
