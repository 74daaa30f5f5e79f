/** What the producer was told of one partition, whose records are numbered from 0. */
export interface SentPartition {
  /** By record number; undefined where no acknowledgement came. */
  readonly offsets: readonly (number | undefined)[];
}

export interface ReadRecord {
  readonly offset: number;
  /** -1: not what was sent to this partition. */
  readonly number: number;
}

export interface Delivery {
  readonly acked: number;
  readonly read: number;
  /** Acknowledged and not there. */
  readonly lost: number;
  /** There more than once. */
  readonly duplicated: number;
  /** Behind a record that was sent after it. */
  readonly reordered: number;
  /** Elsewhere than its acknowledgement said. */
  readonly misplaced: number;
  /** Never sent, or not as it was sent. */
  readonly garbled: number;
  /** Offsets that do not follow the one before. */
  readonly gaps: number;
}

const FINDINGS = ["lost", "duplicated", "reordered", "misplaced", "garbled", "gaps"] as const;

export const findingsOf = (delivery: Delivery): readonly string[] =>
  FINDINGS.filter((name) => delivery[name] > 0).map((name) => `${delivery[name]} ${name}`);

/** What a reader was to see of one partition. */
export interface Stretch {
  /** Where it began. */
  readonly fromOffset: number;
  /** How many of the partition's records had been acknowledged before it looked where the log ends. */
  readonly ackedBefore: number;
}

const NOTHING: Delivery = {
  ...{ acked: 0, read: 0, lost: 0, duplicated: 0 },
  ...{ reordered: 0, misplaced: 0, garbled: 0, gaps: 0 },
};
const EVERYTHING: Stretch = { fromOffset: 0, ackedBefore: Number.POSITIVE_INFINITY };

/** Holds what one reader saw of each partition, in its order, against what was acknowledged. */
export function compareDelivery(
  sent: readonly SentPartition[],
  read: readonly (readonly ReadRecord[])[],
  stretches: readonly Stretch[] = [],
): Delivery {
  const sum = { ...NOTHING };
  for (const [partition, { offsets }] of sent.entries()) {
    const { fromOffset, ackedBefore } = stretches[partition] ?? EVERYTHING;
    const records = read[partition] ?? [];
    const seen = new Set<number>();
    let newest = -1;
    let nextOffset = fromOffset;
    for (const { offset, number } of records) {
      if (offset !== nextOffset) sum.gaps += 1;
      nextOffset = offset + 1;
      if (number < 0 || number >= offsets.length) {
        sum.garbled += 1;
        continue;
      }
      if (seen.has(number)) sum.duplicated += 1;
      else if (number < newest) sum.reordered += 1;
      else if ((offsets[number] ?? offset) !== offset) sum.misplaced += 1;
      seen.add(number);
      newest = Math.max(newest, number);
    }
    sum.read += records.length;
    for (const [number, offset] of offsets.entries()) {
      if (offset === undefined || offset < fromOffset || number >= ackedBefore) continue;
      sum.acked += 1;
      if (!seen.has(number)) sum.lost += 1;
    }
  }
  return sum;
}

/** What several readers saw, one after the other. */
export function sumDeliveries(deliveries: readonly Delivery[]): Delivery {
  const sum = { ...NOTHING };
  for (const delivery of deliveries) {
    for (const name of [...FINDINGS, "acked", "read"] as const) sum[name] += delivery[name];
  }
  return sum;
}
