import type { SeededRandom } from "../../support/seeded-random.ts";
import type { FaultRates } from "../network.ts";
import { pick, rates } from "../profile.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** What one seed's group is like, and what happens to it. */
export interface GroupProfile {
  readonly protocol: "classic" | "consumer";
  readonly hostCount: number;
  readonly memberCount: number;
  readonly partitionCount: number;
  /** How long things go wrong. */
  readonly spanMs: number;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly initialDelayMs: number;
  readonly heartbeatMs: number;
  readonly staticRate: number;
  /** Of each beat of a member, that it commits, falls asleep, is gone without a word, leaves, or asks another process. */
  readonly commitRate: number;
  readonly napRate: number;
  readonly crashRate: number;
  readonly leaveRate: number;
  readonly wanderRate: number;
  readonly napMsMax: number;
  /** Mean time between two of them; 0: never. */
  readonly killEveryMs: number;
  readonly freezeEveryMs: number;
  readonly freezeMsMax: number;
  /** How far the wall clock of each second process is ahead, and by how much it jumps halfway. */
  readonly skewMs: number;
  readonly snapshotRecordsMin: number;
  readonly tendMs: number;
  readonly growsTopic: boolean;
  readonly journalRates: FaultRates;
}

export function drawGroupProfile(random: SeededRandom): GroupProfile {
  const spanMs = pick(random, [1, 2, 4]) * MINUTE_MS;
  const freezes = random.chance(0.5);
  const isDeadly = random.chance(0.5);
  const sessionTimeoutMs = pick(random, [6, 10, 30]) * SECOND_MS;
  const rebalanceTimeoutMs = pick(random, [8, 20, 60]) * SECOND_MS;
  const often = (rate: number): number => (random.chance(0.5) ? 0 : rate);
  return {
    protocol: random.chance(0.5) ? "classic" : "consumer",
    hostCount: 2 + random.below(2),
    memberCount: 2 + random.below(4),
    partitionCount: 1 + random.below(6),
    spanMs,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    initialDelayMs: pick(random, [0, 500, 3_000]),
    // Whoever beats less often than rounds last is never in time.
    heartbeatMs: Math.min(sessionTimeoutMs / pick(random, [3, 6]), rebalanceTimeoutMs / 3),
    staticRate: pick(random, [0, 0, 0.5]),
    commitRate: 0.7,
    napRate: often(0.06),
    crashRate: often(0.03),
    leaveRate: often(0.03),
    wanderRate: often(0.1),
    napMsMax: 2 * sessionTimeoutMs,
    killEveryMs: isDeadly ? spanMs / (1 + random.below(4)) : 0,
    freezeEveryMs: freezes ? spanMs / (1 + random.below(6)) : 0,
    freezeMsMax: 2 * sessionTimeoutMs,
    skewMs: random.chance(0.5) ? DAY_MS : 0,
    snapshotRecordsMin: pick(random, [4, 10, 40]),
    tendMs: pick(random, [5, 20]) * SECOND_MS,
    growsTopic: random.chance(0.3),
    journalRates: rates(random, { freeze: freezes, deadly: isDeadly }),
  };
}

/** One line that says what is special about a group's world. */
export function describeGroupProfile({ journalRates, ...rest }: GroupProfile): string {
  const faults = Object.entries(journalRates).filter(([, rate]) => rate > 0);
  return [...Object.entries(rest), ...faults].map(([key, value]) => `${key}=${value}`).join(" ");
}
