/** Randomness enters the product only here. Seeded in tests, the operating system's in production. */
export interface Random {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
  /** A random integer in 0 to `bound` - 1; `bound` is at most 2^32. */
  below(bound: number): number;
}
