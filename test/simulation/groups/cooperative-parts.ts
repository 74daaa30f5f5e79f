/** What a cooperative member tells its leader when it joins. */
export interface OwningMember {
  readonly memberId: string;
  readonly owned: readonly number[];
  /** The generation in which it got them; -1: none. */
  readonly ownedGeneration: number;
}

/**
 * Shares partitions out as cooperative assignors do (KIP-429): everybody keeps what it owns up to its quota, and what
 * changes hands goes to nobody until its owner has come without it.
 */
export function cooperativeParts(
  members: readonly OwningMember[],
  partitionCount: number,
): ReadonlyMap<string, readonly number[]> {
  const owners = ownersOf(members, partitionCount);
  const keptBy = (memberId: string) =>
    [...owners].filter(([, owner]) => owner === memberId).map(([partition]) => partition);
  const ranked = members
    .map(({ memberId }) => ({ memberId, part: keptBy(memberId).sort((a, b) => a - b) }))
    .sort((a, b) => b.part.length - a.part.length || (a.memberId < b.memberId ? -1 : 1));
  const largeCount = partitionCount % Math.max(1, ranked.length);
  const quotaOf = (rank: number) => Math.floor(partitionCount / ranked.length) + (rank < largeCount ? 1 : 0);
  const target = ranked.map(({ memberId, part }, rank) => ({ memberId, part: part.slice(0, quotaOf(rank)) }));
  const given = new Set(target.flatMap(({ part }) => part));
  for (let partition = 0; partition < partitionCount; partition++) {
    if (!given.has(partition)) target.find(({ part }, rank) => part.length < quotaOf(rank))?.part.push(partition);
  }
  const isFreeFor = (memberId: string) => (partition: number) => (owners.get(partition) ?? memberId) === memberId;
  return new Map(
    target.map(({ memberId, part }) => [memberId, part.filter(isFreeFor(memberId)).sort((a, b) => a - b)]),
  );
}

/** If two say that they own a partition, the one that got it later does. */
function ownersOf(members: readonly OwningMember[], partitionCount: number): ReadonlyMap<number, string> {
  const owners = new Map<number, string>();
  for (const { memberId, owned } of [...members].sort((a, b) => b.ownedGeneration - a.ownedGeneration)) {
    for (const partition of owned) {
      if (partition < partitionCount && !owners.has(partition)) owners.set(partition, memberId);
    }
  }
  return owners;
}
