import type { GroupClient } from "./group-client.ts";
import type { GroupTruth } from "./group-truth.ts";

type ClassicMember = Pick<GroupClient, "name" | "memberId" | "generation">;

/** Who believes to own what: no two at once. */
export class GroupOwners {
  readonly clients: GroupClient[] = [];
  readonly #problems: string[];
  readonly #truth: GroupTruth;
  readonly #byGeneration = new Map<string, string>();
  /** What leaders have given out in a generation, whoever got it. */
  readonly #parts = new Map<string, Set<string>>();
  #sharedCount = 0;

  constructor(truth: GroupTruth, problems: string[]) {
    this.#truth = truth;
    this.#problems = problems;
  }

  /** A client has just taken what it owns. */
  claim(client: GroupClient): void {
    for (const partition of client.owned) {
      this.#claimForGeneration(client, partition);
      this.#claimNow(client, partition);
      for (const other of this.clients) this.#checkCarried(other, client, partition);
    }
  }

  /** A client has come to a generation, and still owns what it has told that it owns. */
  joined(client: GroupClient): void {
    for (const partition of client.owned) {
      for (const other of this.clients)
        if (other.owned.includes(partition)) this.#checkCarried(client, other, partition);
    }
  }

  /** How many partitions a leader shared out last. */
  get sharedCount(): number {
    return this.#sharedCount;
  }

  /** A leader gives each member its part. */
  shareOut(leader: ClassicMember, parts: Iterable<readonly number[]>, partitionCount: number): void {
    this.#sharedCount = partitionCount;
    const key = this.#generationOf(leader);
    const known = this.#parts.get(key) ?? new Set();
    for (const part of parts) known.add(`${part}`);
    this.#parts.set(key, known);
  }

  /**
   * A member is told its part: what its leader gave to somebody in this generation, or a consumer group to itself at this
   * epoch. Whatever the group is by now, it may have been the other while the answer was under way.
   */
  checkPart({ name, memberId, generation }: ClassicMember, part: readonly number[]): void {
    if (part.length === 0 || this.#truth.hasAssigned(memberId, generation, part)) return;
    if (this.#parts.get(this.#generationOf({ memberId, generation }))?.has(`${part}`) === true) return;
    this.#problems.push(`checkOneOwner: ${name} is told ${part}, which nobody gave it in ${generation}`);
  }

  /** A partition has one owner in a generation, for ever; a static member's new self goes on in its place. */
  #claimForGeneration(client: GroupClient, partition: number): void {
    const key = `${partition} in ${this.#generationOf(client)}`;
    const own = client.groupInstanceId ?? client.memberId;
    const owner = this.#byGeneration.get(key) ?? own;
    if (owner !== own) this.#problems.push(`checkOneOwner: ${key} is ${owner}'s and ${own}'s`);
    this.#byGeneration.set(key, own);
  }

  /** In a consumer group nobody else who is in it owns the partition. */
  #claimNow(client: GroupClient, partition: number): void {
    if (!this.#isConsumerMember(client)) return;
    for (const other of this.clients) {
      if (other === client || other.isGone || !other.owned.includes(partition)) continue;
      if (!this.#isConsumerMember(other)) continue;
      this.#problems.push(`checkOneOwner: ${partition} is ${other.name}'s and ${client.name}'s`);
    }
  }

  /**
   * Cooperative members come to a generation with what they own, so their leader gives it to nobody else. (It does give
   * away what a static member owns that has slept through a whole generation.)
   */
  #checkCarried(carrier: GroupClient, owner: GroupClient, partition: number): void {
    if (carrier === owner || carrier.isGone || carrier.groupInstanceId !== undefined) return;
    if (!carrier.owned.includes(partition) || this.#truth.group?.membership.type !== "classic") return;
    if (this.#generationOf(carrier) !== this.#generationOf(owner)) return;
    const { name, generation } = owner;
    this.#problems.push(`checkOneOwner: ${partition} is still ${carrier.name}'s and ${name}'s in ${generation}`);
  }

  #generationOf({ memberId, generation }: Pick<GroupClient, "memberId" | "generation">): string {
    return `generation ${this.#truth.incarnationOf(memberId)}/${generation}`;
  }

  /** Whether the client is who the group takes it for: the classic ones among those that are left over are not. */
  #isConsumerMember({ memberId, generation, kind }: GroupClient): boolean {
    const membership = this.#truth.group?.membership;
    const member = membership?.type === "consumer" ? membership.members.get(memberId) : undefined;
    return member !== undefined && (kind === "consumer" || member.memberEpoch === generation);
  }
}
