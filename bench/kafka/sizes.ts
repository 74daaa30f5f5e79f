/** How much each group of rows moves. */
export interface Sizes {
  /** Of each repeat and broker, without the warm-up of the client. */
  readonly produceBytes: number;
  readonly consumeBytes: number;
  readonly latencySeconds: number;
  readonly memoryBytes: number;
}

export const FULL_SIZES: Sizes = {
  produceBytes: 1_000_000_000,
  consumeBytes: 2_000_000_000,
  latencySeconds: 20,
  memoryBytes: 5_000_000_000,
};

export const SMALL_SIZES: Sizes = {
  produceBytes: 8_000_000,
  consumeBytes: 16_000_000,
  latencySeconds: 1,
  memoryBytes: 16_000_000,
};

/** The client's own compiler needs that many of the records before its figures are steady. */
export const WARM_UP_SHARE = 0.2;

export const MEGABYTE = 1e6;
export const GIGABYTE = 1e9;
export const KIBIBYTE = 1_024;
