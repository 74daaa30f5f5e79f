import type { Random } from "#lib/runtime/random.ts";

/** A latency by what is known of it, in milliseconds. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface StoreLatency {
  readonly put: Latency;
  readonly get: Latency;
}

// As measured from inside a region and published, for objects of up to some megabytes.
export const S3_STANDARD: StoreLatency = { put: { p50Ms: 100, p99Ms: 195 }, get: { p50Ms: 63, p99Ms: 118 } };
export const S3_EXPRESS: StoreLatency = { put: { p50Ms: 8, p99Ms: 25 }, get: { p50Ms: 8, p99Ms: 25 } };
export const DYNAMODB: Latency = { p50Ms: 5, p99Ms: 15 };

/** Standard deviations above the mean at which 99 of 100 values of a normal distribution lie below. */
const Z_OF_P99 = 2.326_347_874;
const DRAWS = 0x1_0000_0000;

/** Draws from the log-normal distribution with these percentiles. */
export function latencySampler({ p50Ms, p99Ms }: Latency, random: Random): () => number {
  const sigma = Math.log(p99Ms / p50Ms) / Z_OF_P99;
  // Neither 0 nor 1, where the logarithm or the cosine would be of no use.
  const uniform = (): number => (random.below(DRAWS) + 0.5) / DRAWS;
  return () => {
    const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return p50Ms * Math.exp(sigma * normal);
  };
}
