import type { TopicId } from "#lib/util/branded.ts";
import { assignmentOf } from "../assignment-sets.ts";
import type { Assignment } from "../member-types.ts";
import type { AssignorMember, PartitionCounts } from "./assignor.ts";

// All members subscribe to the same topics: each gets the same number of partitions, some one more. Those who own more
// than the others keep it first, so no partition moves that could stay.

type Share = Map<TopicId, Set<number>>;

export function assignSameSubscription(
  members: readonly AssignorMember[],
  partitionCounts: PartitionCounts,
): ReadonlyMap<string, Assignment> {
  const topicIds = [...(members[0]?.subscribedTopicIds ?? [])].filter((topicId) => partitionCounts.has(topicId)).sort();
  const total = topicIds.reduce((sum, topicId) => sum + (partitionCounts.get(topicId) ?? 0), 0);
  const pool = new PartitionPool(topicIds, partitionCounts);
  const standing = members.map((member) => pool.ownedBy(member));
  const quotas = quotasOf(
    standing.map(({ length }) => length),
    total,
  );
  const shares = standing.map((owned, index) => pool.take(owned.slice(0, quotas[index])));
  const rest = pool.rest();
  return new Map(
    members.map(({ memberId }, index) => {
      const share = shares[index] ?? new Map<TopicId, Set<number>>();
      const kept = Math.min(standing[index]?.length ?? 0, quotas[index] ?? 0);
      for (let size = kept; size < (quotas[index] ?? 0); size++) {
        const { value } = rest.next();
        if (value !== undefined) addTo(share, value);
      }
      return [memberId, assignmentOf(share)];
    }),
  );
}

/** How many partitions each member gets, given how many it owns. */
function quotasOf(ownedCounts: readonly number[], total: number): readonly number[] {
  const least = Math.floor(total / ownedCounts.length);
  let extras = total % ownedCounts.length;
  const quotas = ownedCounts.map((owned) => {
    if (owned <= least || extras === 0) return least;
    extras--;
    return least + 1;
  });
  return quotas.map((quota) => {
    if (quota > least || extras === 0) return quota;
    extras--;
    return quota + 1;
  });
}

function addTo(share: Share, [topicId, partition]: readonly [TopicId, number]): void {
  const partitions = share.get(topicId);
  if (partitions === undefined) share.set(topicId, new Set([partition]));
  else partitions.add(partition);
}

/** All partitions to be shared, and which of them are taken. */
class PartitionPool {
  readonly #topicIds: readonly TopicId[];
  readonly #partitionCounts: PartitionCounts;
  readonly #claimed = new Map<TopicId, Set<number>>();
  readonly #taken = new Map<TopicId, Set<number>>();

  constructor(topicIds: readonly TopicId[], partitionCounts: PartitionCounts) {
    this.#topicIds = topicIds;
    this.#partitionCounts = partitionCounts;
  }

  /** What the member owns of them; of what two members own, the first one has it. */
  ownedBy({ owned }: AssignorMember): readonly (readonly [TopicId, number])[] {
    const found: (readonly [TopicId, number])[] = [];
    for (const topicId of this.#topicIds) {
      const count = this.#partitionCounts.get(topicId) ?? 0;
      for (const partition of owned.get(topicId) ?? []) {
        if (partition >= count || this.#claimed.get(topicId)?.has(partition)) continue;
        addTo(this.#claimed, [topicId, partition]);
        found.push([topicId, partition]);
      }
    }
    return found;
  }

  take(partitions: readonly (readonly [TopicId, number])[]): Share {
    const share: Share = new Map();
    for (const partition of partitions) {
      addTo(this.#taken, partition);
      addTo(share, partition);
    }
    return share;
  }

  *rest(): Generator<readonly [TopicId, number], undefined> {
    for (const topicId of this.#topicIds) {
      const count = this.#partitionCounts.get(topicId) ?? 0;
      for (let partition = 0; partition < count; partition++) {
        if (!this.#taken.get(topicId)?.has(partition)) yield [topicId, partition];
      }
    }
    return undefined;
  }
}
