export interface ReplicaSizes {
  /** Of each repeat and cluster, without the warm-up of the client; each byte is stored three times. */
  readonly produceBytes: number;
  /** Of acknowledgements beside a slow store. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export const FULL_SIZES: ReplicaSizes = { produceBytes: 400_000_000, warmUpSeconds: 3, seconds: 15 };
export const SMALL_SIZES: ReplicaSizes = { produceBytes: 8_000_000, warmUpSeconds: 0.2, seconds: 1 };

export const PARTITIONS = 6;
