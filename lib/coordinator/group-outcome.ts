import type { ErrorCode } from "#lib/protocol/error-code.ts";
import type { Assignment } from "./member-types.ts";

export type GroupOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly error: ErrorCode }
  /** What the command named as seen is not so any more; nothing was done. Look again. */
  | { readonly kind: "moved" }
  /** Offsets of a topic that may be gone: read the cluster journal strongly, resolve the names again, propose again. */
  | { readonly kind: "stale-view" }
  | JoinedOutcome
  /** join: the id is reserved; the client is to join with it (MEMBER_ID_REQUIRED). */
  | { readonly kind: "reserved" }
  /** join: a consumer group with members must know what the protocol metadata says; propose again with it. */
  | { readonly kind: "subscription-needed" }
  /** complete-join: the round goes on; only static members are left and none has joined. */
  | { readonly kind: "nobody-joined" }
  /** leave: one code a member, in the command's order. */
  | { readonly kind: "left"; readonly errors: readonly ErrorCode[] }
  /** join of a consumer group: nothing to wait for; the answer is complete. */
  | JoinedConsumerGroupOutcome
  | ConsumerHeartbeatOutcome
  /** consumer-heartbeat: a classic group with members; propose again with `upgrade` for the group as it is now, if permitted. */
  | { readonly kind: "upgrade-needed" };

/** The member is in the group. `joinAnswer` says when its round is complete and what to answer. */
export interface JoinedOutcome {
  readonly kind: "joined";
  readonly round: number;
  /**
   * A static member came back under a new id while the group went on as it was: the id that it had before. A leader that
   * comes back so is told to skip the assignment (JoinGroup v9), or, by older versions, that its old self is the leader.
   */
  readonly replacedMemberId: string | undefined;
}

export interface JoinedConsumerGroupOutcome {
  readonly kind: "joined-consumer-group";
  readonly memberEpoch: number;
  readonly protocolName: string;
}

export interface ConsumerHeartbeatOutcome {
  readonly kind: "consumer-heartbeat";
  readonly memberEpoch: number;
  /** What the member owns from now on; undefined if the member knows it already. */
  readonly assignment: Assignment | undefined;
}
