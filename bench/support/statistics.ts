/** The middle of the sorted samples; of an even number of them the mean of the two in the middle. NaN of none. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** The sample that a share of all, 0 to 1, does not exceed (nearest rank). NaN of none. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** What was measured of one figure, of us and of what we are held against. */
export interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** One sample for each repeat. */
  readonly ours: readonly number[];
  /** Empty where there is nothing to compare with. */
  readonly reference: readonly number[];
}

/** As `--json` writes it. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly reference: number | null;
  /** ours / reference. */
  readonly ratio: number | null;
}

/** Medians, and their ratio. The ratio comes from the medians as they are, not as they are rounded. */
export function rowOf({ name, unit, ours, reference }: Measured): Row {
  const ourMedian = median(ours);
  if (reference.length === 0) return { name, unit, ours: rounded(ourMedian), reference: null, ratio: null };
  const referenceMedian = median(reference);
  const ratio = referenceMedian === 0 ? null : rounded(ourMedian / referenceMedian);
  return { name, unit, ours: rounded(ourMedian), reference: rounded(referenceMedian), ratio };
}

/** Four significant digits, or all digits before the point: noise is not worth printing. */
export function rounded(value: number): number {
  if (!Number.isFinite(value)) return value;
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
}
