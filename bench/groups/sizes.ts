/** How much each row does. */
export interface GroupSizes {
  readonly heartbeats: {
    readonly groups: number;
    readonly membersPerGroup: number;
    /** Between two heartbeats of one member. */
    readonly intervalMs: number;
    /** Heartbeats that nobody looks at. */
    readonly warmUpMs: number;
    /** Of one sample. A third of the session time-out, so that every member has something journaled in each. */
    readonly windowMs: number;
  };
  readonly commits: {
    readonly groups: number;
    /** Of each group. */
    readonly requestsInFlight: number;
    /** Of one sample. */
    readonly windowMs: number;
  };
  readonly rebalances: {
    /** Before one more joins. */
    readonly members: number;
    readonly partitions: number;
    /** A sample is the median of so many. */
    readonly perSample: number;
    /** After each of them: Kafka computes the assignments of a consumer group once a second at most. */
    readonly pauseMs: number;
  };
}

export const FULL_GROUP_SIZES: GroupSizes = {
  heartbeats: { groups: 1_000, membersPerGroup: 3, intervalMs: 3_000, warmUpMs: 30_000, windowMs: 15_000 },
  commits: { groups: 50, requestsInFlight: 4, windowMs: 5_000 },
  rebalances: { members: 100, partitions: 200, perSample: 5, pauseMs: 1_500 },
};

export const SMALL_GROUP_SIZES: GroupSizes = {
  heartbeats: { groups: 10, membersPerGroup: 3, intervalMs: 300, warmUpMs: 0, windowMs: 1_000 },
  commits: { groups: 5, requestsInFlight: 4, windowMs: 500 },
  rebalances: { members: 10, partitions: 20, perSample: 1, pauseMs: 1_500 },
};

/** As Kafka's consumers have it. */
export const SESSION_TIMEOUT_MS = 45_000;
export const REBALANCE_TIMEOUT_MS = 300_000;
