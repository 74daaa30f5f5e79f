import type { SeededRandom } from "../support/seeded-random.ts";
import { type FaultRates, NO_FAULTS } from "./network.ts";
import type { ReplicaProfile } from "./replicas/replica-profile.ts";
import type { WorkerProfile } from "./workers/worker-profile.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What one seed's world is like. Each seed has its own mix of troubles, so that rare ones are not drowned by the others. */
export interface Profile {
  readonly storeCount: number;
  readonly replicationFactor: number;
  readonly logJournalCount: number;
  /** Whether the journal service itself refuses trimmed numbers (SQLite does, DynamoDB does not). */
  readonly checksTrimMark: boolean;
  readonly hostCount: number;
  readonly inlineBytesMax: number;
  readonly lingerMs: number;
  readonly snapshotRecordsMin: number;
  readonly tailCacheBytesMax: number;
  readonly producerCount: number;
  readonly batchesPerProducer: number;
  readonly consumerCount: number;
  readonly topicCount: number;
  readonly adminOperations: number;
  readonly housekeepingMs: number;
  /** How often the housekeeper advances a log start too. */
  readonly retentionRate: number;
  readonly freezesMax: number;
  readonly deathsMax: number;
  /** Mean time between two of them; 0: never. */
  readonly killEveryMs: number;
  readonly freezeEveryMs: number;
  readonly outageEveryMs: number;
  readonly journalRates: FaultRates;
  /** Of calls that concern snapshot pointers, where these are not the journal's. */
  readonly pointerRates?: FaultRates;
  readonly storeRates: FaultRates;
  readonly storeLossRate: number;
  /** How far the clock of the first process is ahead. */
  readonly skewMs: number;
  readonly hasOldProcess: boolean;
  readonly hasLargeCommands: boolean;
  /** Left out where the world is not about stores. */
  readonly replicas?: ReplicaProfile;
  /** Left out where no workers run. */
  readonly workers?: WorkerProfile;
  /** How long a client thinks before its next request. */
  thinkMs(random: SeededRandom): number;
  freezeMs(random: SeededRandom): number;
}

/** Between `min` and `max`, all orders of magnitude alike. */
export function logUniform(random: SeededRandom, min: number, max: number): number {
  const share = random.below(1_000_000) / 1_000_000;
  return min * (max / min) ** share;
}

export function pick<T>(random: SeededRandom, choices: readonly [T, ...T[]]): T {
  return choices[random.below(choices.length)] ?? choices[0];
}

export function rates(
  random: SeededRandom,
  options: { readonly freeze: boolean; readonly deadly: boolean },
): FaultRates {
  const rate = (often: number): number => (random.chance(0.5) ? 0 : random.chance(0.5) ? often / 5 : often);
  return {
    ...NO_FAULTS,
    failure: rate(0.05),
    throttle: rate(0.05),
    lostAnswer: rate(0.08),
    hang: rate(0.02),
    lateEffect: rate(0.05),
    stale: rate(0.3),
    slow: rate(0.02),
    freeze: options.freeze ? rate(0.02) : 0,
    death: options.deadly ? rate(0.01) : 0,
  };
}

/** Some worlds are about one thing alone: a process that sleeps in the middle of a call while the others trim. */
const SLEEPERS: Partial<Profile> = {
  checksTrimMark: false,
  inlineBytesMax: 0,
  snapshotRecordsMin: 2,
  hostCount: 3,
  producerCount: 3,
  adminOperations: 0,
  housekeepingMs: 3 * HOUR_MS,
  killEveryMs: 0,
  freezeEveryMs: 0,
  outageEveryMs: 0,
  hasOldProcess: false,
  hasLargeCommands: false,
};

/** Enough records, at all hours, that snapshots follow each other while one of them is under way. */
const STEADY_TRAFFIC: Pick<Profile, "batchesPerProducer" | "housekeepingMs" | "thinkMs"> = {
  batchesPerProducer: 60,
  housekeepingMs: HOUR_MS,
  thinkMs: (own) => own.below(3 * HOUR_MS),
};

export function drawProfile(random: SeededRandom): Profile {
  if (!random.chance(0.12)) return drawMixed(random, pick<Pace>(random, ["minutes", "hours", "days", "days"]));
  const isShort = random.chance(0.4);
  const profile = drawMixed(random, isShort ? "hours" : "days");
  // Some fall asleep over their pointers alone, which then arrive when the records behind them are trimmed.
  const overPointers = !isShort && random.chance(0.4);
  return {
    ...profile,
    ...SLEEPERS,
    // Short sleepers are those that nobody doubts: less than an hour.
    ...(isShort ? { housekeepingMs: 10 * MINUTE_MS, skewMs: DAY_MS + HOUR_MS } : {}),
    freezesMax: 3,
    journalRates: { ...NO_FAULTS, stale: 0.2, freeze: overPointers ? 0.002 : 0.02 },
    pointerRates: { ...NO_FAULTS, stale: 0.2, freeze: overPointers ? 0.1 : 0.02 },
    ...(overPointers ? STEADY_TRAFFIC : {}),
    storeRates: { ...NO_FAULTS, freeze: overPointers ? 0 : 0.01 },
    freezeMs: (own) => (isShort ? (20 + own.below(38)) * MINUTE_MS : DAY_MS + own.below(36) * HOUR_MS),
  };
}

/** How long a world lasts. */
type Pace = "minutes" | "hour" | "hours" | "days";

export function drawMixed(random: SeededRandom, pace: Pace): Profile {
  const isLong = pace === "days";
  const storeCount = pick(random, [1, 2, 3]);
  const spanMs = { minutes: 2 * MINUTE_MS, hour: 40 * MINUTE_MS, hours: 6 * HOUR_MS, days: 4 * DAY_MS }[pace];
  const freezes = random.chance(0.6);
  const isDeadly = random.chance(0.5);
  const storeRates = rates(random, { freeze: freezes, deadly: isDeadly });
  const batchesPerProducer = 10 + random.below(30);
  const restMs = spanMs / batchesPerProducer;
  const napMaxMs = { minutes: 40 * SECOND_MS, hour: 5 * MINUTE_MS, hours: 3 * HOUR_MS, days: 2.5 * DAY_MS }[pace];
  return {
    storeCount,
    replicationFactor: 1 + random.below(storeCount),
    logJournalCount: 1 + random.below(2),
    checksTrimMark: random.chance(0.3),
    hostCount: 2 + random.below(2),
    inlineBytesMax: pick(random, [0, 0, 400, 8_192]),
    lingerMs: pick(random, [0, 0, 20]),
    snapshotRecordsMin: pick(random, [2, 4, 8, 30]),
    tailCacheBytesMax: pick(random, [2_000, 1_000_000]),
    producerCount: 2 + random.below(3),
    batchesPerProducer,
    consumerCount: 1 + random.below(2),
    topicCount: 1 + random.below(2),
    adminOperations: random.chance(0.6) ? 2 + random.below(8) : 0,
    housekeepingMs: random.chance(0.85)
      ? pick(random, isLong ? [2 * HOUR_MS, 8 * HOUR_MS] : [spanMs / 20, spanMs / 80])
      : 0,
    retentionRate: pick(random, [0, 0.3, 0.9]),
    freezesMax: 1 + random.below(12),
    deathsMax: 15,
    killEveryMs: isDeadly ? spanMs / (1 + random.below(5)) : 0,
    freezeEveryMs: freezes ? spanMs / (1 + random.below(8)) : 0,
    outageEveryMs: random.chance(0.3) ? spanMs / (1 + random.below(4)) : 0,
    journalRates: rates(random, { freeze: freezes, deadly: isDeadly }),
    storeRates: { ...storeRates, failure: random.chance(0.2) ? 0.3 : storeRates.failure },
    storeLossRate: storeCount === 3 && random.chance(0.3) ? 0.2 : 0,
    skewMs: random.chance(0.3) ? DAY_MS + HOUR_MS : 0,
    hasOldProcess: random.chance(0.15),
    hasLargeCommands: random.chance(0.1),
    thinkMs: (own) => {
      if (own.chance(0.6)) return own.below(30);
      if (own.chance(0.5)) return own.below(2_000);
      return own.below(Math.ceil(4 * restMs));
    },
    freezeMs: (own) => (own.chance(0.5) ? logUniform(own, 10, napMaxMs) : napMaxMs * (0.2 + own.below(80) / 100)),
  };
}

/** One line that says what is special about a world. */
export function describeProfile(profile: Profile): string {
  const shown = Object.entries(profile).filter(([, value]) => typeof value === "number" || typeof value === "boolean");
  const faults = (each: FaultRates) =>
    JSON.stringify(Object.fromEntries(Object.entries(each).filter(([, rate]) => rate > 0)));
  const { replicas, workers } = profile;
  if (replicas !== undefined) shown.push(["replicas", JSON.stringify(replicas)]);
  if (workers !== undefined) shown.push(["workers", JSON.stringify(workers)]);
  const rest = `journalRates=${faults(profile.journalRates)} storeRates=${faults(profile.storeRates)}`;
  return `${shown.map(([key, value]) => `${key}=${value}`).join(" ")} ${rest}`;
}
