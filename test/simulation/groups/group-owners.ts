import type { GroupClient } from "./group-client.ts";
import type { GroupTruth } from "./group-truth.ts";

/** Who believes to own what: no two at once. */
export class GroupOwners {
  readonly clients: GroupClient[] = [];
  readonly problems: string[];
  readonly #truth: GroupTruth;
  readonly #byGeneration = new Map<string, string>();

  constructor(truth: GroupTruth, problems: string[]) {
    this.#truth = truth;
    this.problems = problems;
  }

  /** A client has just taken what it owns. */
  claim(client: GroupClient): void {
    const membership = this.#truth.group?.membership;
    for (const partition of client.owned) {
      if (membership?.type === "consumer") this.#claimNow(client, partition);
      else this.#claimForGeneration(client, partition);
    }
  }

  /** In a generation of the classic protocol a partition has one owner for ever; a static member's new self goes on in its place. */
  #claimForGeneration(client: GroupClient, partition: number): void {
    const key = `partition ${partition} of generation ${client.generation}`;
    const own = client.groupInstanceId ?? client.memberId;
    const owner = this.#byGeneration.get(key) ?? own;
    if (owner !== own) this.problems.push(`checkOneOwner: ${key} is ${owner}'s and ${own}'s`);
    this.#byGeneration.set(key, own);
  }

  /** In the consumer protocol nobody else who is still a member owns it. */
  #claimNow(client: GroupClient, partition: number): void {
    const membership = this.#truth.group?.membership;
    for (const other of this.clients) {
      if (other === client || other.isGone || !other.owned.includes(partition)) continue;
      const isMember = membership?.type === "consumer" && membership.members.has(other.memberId);
      if (isMember) this.problems.push(`checkOneOwner: ${partition} is ${other.name}'s and ${client.name}'s`);
    }
  }
}
