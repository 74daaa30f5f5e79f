import type { SeededRandom } from "../../support/seeded-random.ts";
import { drawMixed, logUniform, type Profile, pick, rates } from "../profile.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** What happens to the stores of a world, and what its topics ask of them. */
export interface ReplicaProfile {
  /** Of topics when they are made; undefined: the default. */
  readonly minInsyncReplicas: number | undefined;
  /** How long a broker may be silent, and how often it gives a sign of life. */
  readonly sessionMs: number;
  readonly heartbeatMs: number;
  /** Whether whoever starts under a broker id knows that its predecessor is dead, by a lock. */
  readonly hasLocks: boolean;
  /** Mean time between two storms: several troubles at once. */
  readonly stormEveryMs: number;
  readonly stormsMax: number;
  /** How many troubles a storm has at most. */
  readonly troublesMax: number;
  /** Of outages, so many end with a store that has lost objects. */
  readonly lossRate: number;
  /** Whether more stores lose something than any promise outlives: then records are declared lost in the end. */
  readonly exceeds: boolean;
  /** How often a storm is about ways between processes and stores or journals, not about stores. */
  readonly routeRate: number;
  readonly journalRate: number;
  /** How often many processes die at once. */
  readonly massDeathRate: number;
  /** How often a producer is connected to whoever leads. */
  readonly leaderRate: number;
  troubleMs(random: SeededRandom): number;
}

export function drawReplicaProfile(random: SeededRandom): Profile {
  // Outages of hours; brokers then expect less of each other, so that a schedule does not consist of signs of life.
  const isLong = random.chance(0.08);
  const mixed = drawMixed(random, isLong ? "hours" : "hour");
  const storeCount = pick(random, [3, 3, 3, 3, 5, 2]);
  const exceeds = random.chance(0.1);
  const isFull = !exceeds && random.chance(0.85);
  const replicationFactor = isFull ? storeCount : 1 + random.below(exceeds ? 2 : storeCount);
  const troubleMsMax = isLong ? 2 * 60 * MINUTE_MS : pick(random, [20 * SECOND_MS, 3 * MINUTE_MS, 30 * MINUTE_MS]);
  const storeRates = rates(random, { freeze: mixed.freezeEveryMs > 0, deadly: mixed.killEveryMs > 0 });
  const replicas: ReplicaProfile = {
    minInsyncReplicas: random.chance(0.7) ? undefined : 1 + random.below(replicationFactor),
    sessionMs: (isLong ? 900 : 90) * SECOND_MS,
    heartbeatMs: (isLong ? 200 : 20) * SECOND_MS,
    hasLocks: isLong || random.chance(0.5),
    stormEveryMs: (isLong ? 10 : 1) * pick(random, [MINUTE_MS, 4 * MINUTE_MS, 10 * MINUTE_MS]),
    stormsMax: 1 + random.below(isLong ? 3 : 10),
    troublesMax: 1 + random.below(storeCount + 1),
    lossRate: exceeds ? 1 : pick(random, [0, 1, 1]),
    exceeds,
    routeRate: pick(random, [0, 0.3]),
    journalRate: pick(random, [0, 0.2]),
    massDeathRate: pick(random, [0, 0.2]),
    leaderRate: pick(random, [0, 0.8, 0.95]),
    troubleMs: (own) => (own.chance(0.5) ? logUniform(own, 200, troubleMsMax) : own.below(troubleMsMax)),
  };
  return {
    ...mixed,
    storeCount,
    replicationFactor,
    batchesPerProducer: 20 + random.below(50),
    hostCount: isLong ? 2 : 2 + random.below(storeCount),
    inlineBytesMax: pick(random, [0, 0, 0, 200, 8_192]),
    checksTrimMark: random.chance(0.5),
    storeRates,
    storeLossRate: random.chance(0.15) ? 0.1 : 0,
    // The storms are this world's outages.
    outageEveryMs: 0,
    skewMs: 0,
    hasOldProcess: false,
    hasLargeCommands: random.chance(0.1),
    replicas,
  };
}
