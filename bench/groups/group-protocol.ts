import type { TopicMetadata } from "#lib/client/topic-metadata.ts";

// Members that say what Kafka's consumers say, and read nothing: a process holds thousands of them, each with a connection
// of its own as consumers have it.

export interface MemberOptions {
  readonly address: { readonly host: string; readonly port: number };
  readonly groupId: string;
  readonly topic: TopicMetadata;
}

export interface GroupMember extends AsyncDisposable {
  /** Partitions that it owns by the last that it heard. */
  readonly owned: readonly number[];
  /** Fails unless the broker answers that all is well. */
  heartbeat(): Promise<void>;
  /** May join again afterwards. */
  leave(): Promise<void>;
}

/** One of the two protocols of consumer groups. */
export interface GroupProtocol<Member extends GroupMember> {
  readonly label: "classic" | "KIP-848";
  open(options: MemberOptions): Promise<Member>;
  /** Joins all of them and resolves when they share the topic in one generation. */
  form(members: readonly Member[]): Promise<void>;
  /**
   * Joins one more. Resolves when all share the topic again, with the milliseconds since the newcomer's first request. The
   * others ask as soon as there is something to hear, instead of when their next heartbeat is due: how often they ask is
   * their own business, and the same with every broker.
   */
  grow(members: readonly Member[], newcomer: Member): Promise<number>;
  /** Lets one leave that is not among `members`. Resolves when they share the topic again. */
  shrink(members: readonly Member[], leaver: Member): Promise<void>;
}

/** Between two questions of a member that waits for something. */
export const ASK_AGAIN_MS = 5;
/** After so long a group that does not become whole is a fault. */
export const WHOLE_TIMEOUT_MS = 60_000;

/** Whether every partition has one owner. */
export function isShared(members: readonly GroupMember[], topic: TopicMetadata): boolean {
  const owned = members.flatMap((member) => member.owned);
  return owned.length === topic.partitions.length && new Set(owned).size === owned.length;
}
