import type { SeededRandom } from "../../support/seeded-random.ts";
import type { FaultRates } from "../network.ts";
import { pick, rates } from "../profile.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

/**
 * How a client is in its group: by the classic protocol, giving up everything before each round (eager) or only what it
 * has to (cooperative); by KIP-848 (consumer); or not at all, for it only commits (simple).
 */
export type MemberKind = "eager" | "cooperative" | "consumer" | "simple";

/** What one group's members are like. */
export interface MembersProfile {
  /** What its clients are in turn, each for an equal part of the troubled time: an upgrade while the group is at work. */
  readonly kinds: readonly MemberKind[];
  readonly memberCount: number;
  readonly staticRate: number;
  /**
   * Of each beat of a member, that it commits, falls asleep, is gone without a word, leaves, asks another process, or
   * (static ones) hangs while another one takes its place.
   */
  readonly commitRate: number;
  readonly napRate: number;
  readonly crashRate: number;
  readonly leaveRate: number;
  readonly wanderRate: number;
  readonly hangRate: number;
  /** When nobody is in the group, so that its offsets may expire; both 0: never. */
  readonly quietFromMs: number;
  readonly quietToMs: number;
}

/** What one seed's groups are like, and what happens to them. */
export interface GroupProfile {
  readonly groups: readonly MembersProfile[];
  readonly hostCount: number;
  readonly partitionCount: number;
  /** How long things go wrong. */
  readonly spanMs: number;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly initialDelayMs: number;
  readonly heartbeatMs: number;
  readonly napMsMax: number;
  /** How long offsets are kept that nobody needs, and how often each process looks for them. */
  readonly retentionMs: number;
  readonly expireEveryMs: number;
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

// Never eager and cooperative ones: they have no protocol in common, and some may be left when others come.
const KINDS: readonly [readonly MemberKind[], ...(readonly MemberKind[])[]] = [
  ["eager"],
  ["cooperative"],
  ["cooperative"],
  ["consumer"],
  ["consumer"],
  ["eager", "consumer"],
  ["cooperative", "consumer", "cooperative"],
  ["consumer", "cooperative", "consumer"],
  ["consumer", "eager"],
];

export function drawGroupProfile(random: SeededRandom): GroupProfile {
  const spanMs = pick(random, [1, 2, 4]) * MINUTE_MS;
  const freezes = random.chance(0.5);
  const isDeadly = random.chance(0.5);
  const sessionTimeoutMs = pick(random, [6, 10, 30]) * SECOND_MS;
  const rebalanceTimeoutMs = pick(random, [8, 20, 60]) * SECOND_MS;
  const retentionMs = pick(random, [5, 20, 600]) * SECOND_MS;
  const groupCount = pick(random, [1, 1, 1, 2, 3]);
  const groups = Array.from({ length: groupCount }, () => drawMembers(random, { spanMs, retentionMs, groupCount }));
  return {
    groups: random.chance(0.2) ? [...groups, SIMPLE] : groups,
    hostCount: 2 + random.below(2),
    partitionCount: 1 + random.below(6),
    spanMs,
    sessionTimeoutMs,
    rebalanceTimeoutMs,
    initialDelayMs: pick(random, [0, 500, 3_000]),
    // Whoever beats less often than rounds last is never in time.
    heartbeatMs: Math.min(sessionTimeoutMs / pick(random, [3, 6]), rebalanceTimeoutMs / 3),
    napMsMax: 2 * sessionTimeoutMs,
    retentionMs,
    expireEveryMs: pick(random, [1, 5]) * SECOND_MS,
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

/** A group that nobody is ever in. */
const SIMPLE: MembersProfile = {
  kinds: ["simple"],
  memberCount: 2,
  staticRate: 0,
  commitRate: 1,
  napRate: 0,
  crashRate: 0,
  leaveRate: 0,
  wanderRate: 0.1,
  hangRate: 0,
  quietFromMs: 0,
  quietToMs: 0,
};

function drawMembers(
  random: SeededRandom,
  world: { readonly spanMs: number; readonly retentionMs: number; readonly groupCount: number },
): MembersProfile {
  const { spanMs, retentionMs, groupCount } = world;
  const often = (rate: number): number => (random.chance(0.5) ? 0 : rate);
  const isQuiet = retentionMs < spanMs && random.chance(0.4);
  const quietFromMs = isQuiet ? spanMs * (0.2 + random.below(50) / 100) : 0;
  return {
    kinds: pick(random, KINDS),
    memberCount: groupCount === 1 ? 2 + random.below(4) : 1 + random.below(3),
    staticRate: pick(random, [0, 0, 0.5, 1]),
    commitRate: 0.7,
    napRate: often(0.06),
    crashRate: often(0.03),
    leaveRate: often(0.03),
    wanderRate: often(0.1),
    hangRate: often(0.05),
    quietFromMs,
    quietToMs: isQuiet ? quietFromMs + retentionMs * (0.5 + random.below(150) / 100) : 0,
  };
}

/** One line that says what is special about a seed's groups. */
export function describeGroupProfile({ journalRates, groups, ...rest }: GroupProfile): string {
  const faults = Object.entries(journalRates).filter(([, rate]) => rate > 0);
  const shown = [...Object.entries(rest), ...faults].map(([key, value]) => `${key}=${value}`).join(" ");
  return `${shown} groups=${JSON.stringify(groups)}`;
}
