import type { TimestampMs } from "#lib/util/branded.ts";
import type { SeenOffset } from "./group-command.ts";
import type { CommittedOffset, GroupState } from "./group-state.ts";

// Which committed offsets have outlived `offsets.retention.minutes`, as Kafka counts it (KIP-211):
//
//   nobody reads (Empty)            since the group became Empty
//   never had members ("simple")    since the commit
//   consumers read other topics     since the commit, for topics that no member subscribes to
//   anything else                   never
//
// An old client's own retention takes the place of the broker's wherever one counts.

export interface RetentionOptions {
  readonly nowMs: TimestampMs;
  readonly retentionMs: number;
  /** Whether a member of the group reads the topic. */
  readonly isSubscribed: (topicId: SeenOffset["topicId"]) => boolean;
}

/** What `expire-offsets` may name. */
export function expiredOffsets(group: GroupState, options: RetentionOptions): readonly SeenOffset[] {
  const since = retentionSince(group);
  if (since === "never") return [];
  const { nowMs, retentionMs } = options;
  const expired: SeenOffset[] = [];
  for (const [topicId, offsets] of group.offsets) {
    if (options.isSubscribed(topicId)) continue;
    for (const [partitionIndex, offset] of offsets) {
      const sinceMs = since === "commit" ? offset.committedAtMs : group.stateSinceMs;
      const endsAtMs = offset.expiresAtMs >= 0 ? offset.expiresAtMs : sinceMs + retentionMs;
      if (endsAtMs <= nowMs) expired.push(seen(topicId, partitionIndex, offset));
    }
  }
  return expired;
}

function retentionSince({ membership }: GroupState): "empty" | "commit" | "never" {
  if (membership.type === "consumer") return membership.members.size === 0 ? "empty" : "commit";
  if (membership.protocolType === "") return "commit";
  if (membership.state === "Empty") return "empty";
  return membership.protocolType === "consumer" && membership.state === "Stable" ? "commit" : "never";
}

function seen(topicId: SeenOffset["topicId"], partitionIndex: number, { commitSeq }: CommittedOffset): SeenOffset {
  return { topicId, partitionIndex, commitSeq };
}

/** Whether a group has nothing left to keep: neither members, nor ids given out, nor offsets. */
export function isForgettable({ membership, offsets }: GroupState): boolean {
  if (offsets.size > 0) return false;
  if (membership.type === "consumer") return membership.members.size === 0;
  return membership.state === "Empty" && membership.pendingMembers.size === 0;
}
