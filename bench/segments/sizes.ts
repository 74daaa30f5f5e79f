/** How much each row does. */
export interface SegmentSizes {
  /** Of the partition that is filled, made segments of and read. */
  readonly logBytes: number;
  readonly randomFetches: number;
  /** Of one sample of a rate. */
  readonly produceBytes: number;
  readonly partitions: number;
  readonly partitionsPerTopic: number;
  readonly produceSeconds: number;
  readonly metadataRequests: number;
}

export const FULL_SEGMENT_SIZES: SegmentSizes = {
  logBytes: 10_000_000_000,
  randomFetches: 2_000,
  produceBytes: 4_000_000_000,
  partitions: 50_000,
  partitionsPerTopic: 5,
  produceSeconds: 10,
  metadataRequests: 200,
};

export const SMALL_SEGMENT_SIZES: SegmentSizes = {
  logBytes: 64_000_000,
  randomFetches: 50,
  produceBytes: 32_000_000,
  partitions: 500,
  partitionsPerTopic: 5,
  produceSeconds: 1,
  metadataRequests: 10,
};

/** Free where temporary files are, for the full sizes: the partition three times over, once as written ahead, and Kafka's. */
export const DISK_BYTES = 40_000_000_000;
