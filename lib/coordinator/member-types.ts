import type { TopicId } from "#lib/util/branded.ts";

/**
 * Partitions by topic, each list ascending and never empty. What a member is to own, owns, or is to give up.
 */
export type Assignment = ReadonlyMap<TopicId, readonly number[]>;

/** A protocol that a classic member supports, in its order of preference, with what it told the leader about itself. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}
