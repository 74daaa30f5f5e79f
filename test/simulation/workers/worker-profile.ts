import type { SeededRandom } from "../../support/seeded-random.ts";
import { drawMixed, logUniform, type Profile, pick } from "../profile.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** How workers run in a world, and what the topics give them to do. */
export interface WorkerProfile {
  /** Mean time between two runs of the same worker, anywhere. */
  readonly everyMs: number;
  /** Of the runs, so many are by hand: ages and schedules do not count. */
  readonly forcedRate: number;
  /** Of the runs, so many are begun by two processes, or twice by one. */
  readonly twiceRate: number;
  /** Of the runs, so many end with the death of their process. */
  readonly deathRate: number;
  /** Before, nothing is compacted: what is inlined is still needed when its records could go. */
  readonly compactsAfterMs: number;
  readonly blockCacheBytesMax: number;
  /** Keys of each partition, so few that most records have a successor. */
  readonly keyCount: number;
  /** Of a consumer's reads, so many begin anew at an offset far behind. */
  readonly rewindRate: number;
  /** So many stores, the first ones, make logs by themselves, as a directory does. */
  readonly composerCount: number;
  /** Of the runs that they read for it, so many are missing, cut short or damaged. */
  readonly misreadRate: number;
  /** Whether everything is cleared away by hand in the end, or by schedules within the time that they promise. */
  readonly endsByHand: boolean;
  /** Of a topic when it is made. */
  topicConfigs(random: SeededRandom): ReadonlyMap<string, string>;
}

export function drawWorkerProfile(random: SeededRandom): Profile {
  const pace = pick<"hour" | "hours" | "days">(random, ["hour", "hours", "hours", "days"]);
  const mixed = drawMixed(random, pace);
  const spanMs = { hour: 40 * MINUTE_MS, hours: 6 * HOUR_MS, days: 96 * HOUR_MS }[pace];
  const workers: WorkerProfile = {
    everyMs: Math.min(pick(random, [spanMs / 120, spanMs / 40, spanMs / 10]), HOUR_MS),
    forcedRate: pick(random, [0, 0.2, 0.2, 0.7]),
    twiceRate: pick(random, [0.1, 0.5]),
    deathRate: pick(random, [0, 0.02, 0.15]),
    compactsAfterMs: random.chance(0.3) ? random.below(spanMs) : 0,
    blockCacheBytesMax: pick(random, [0, 4_000, 1_048_576]),
    keyCount: pick(random, [2, 5, 20]),
    rewindRate: pick(random, [0.1, 0.4]),
    endsByHand: random.chance(0.6),
    composerCount: pick(random, [0, random.below(mixed.storeCount + 1), mixed.storeCount, mixed.storeCount]),
    misreadRate: pick(random, [0, 0, 0.1]),
    topicConfigs: (own) => topicConfigs(own, spanMs),
  };
  return {
    ...mixed,
    logJournalCount: 1 + random.below(3),
    inlineBytesMax: pick(random, [0, 0, 400, 400, 8_192]),
    tailCacheBytesMax: pick(random, [0, 2_000, 1_000_000]),
    batchesPerProducer: 20 + random.below(40),
    consumerCount: 2 + random.below(2),
    retentionRate: pick(random, [0, 0, 0.3]),
    deathsMax: 25,
    // What a store loses is the world of replicas' affair.
    storeLossRate: 0,
    hasOldProcess: false,
    workers,
  };
}

function topicConfigs(random: SeededRandom, spanMs: number): ReadonlyMap<string, string> {
  const ms = (min: number, max: number) => String(Math.ceil(logUniform(random, min, max)));
  const configs = new Map([
    ["cleanup.policy", pick(random, ["delete", "delete", "compact", "compact", "compact,delete"])],
  ]);
  if (random.chance(0.7)) configs.set("segment.ms", ms(spanMs / 100, spanMs));
  if (random.chance(0.5)) configs.set("retention.ms", ms(spanMs / 20, 2 * spanMs));
  if (random.chance(0.2)) configs.set("retention.bytes", String(500 + random.below(10_000)));
  if (random.chance(0.6)) configs.set("min.cleanable.dirty.ratio", pick(random, ["0", "0.1", "0.9"]));
  // Both together are refused where they contradict each other.
  const lag = pick(random, ["none", "min", "max"]);
  if (lag === "min") configs.set("min.compaction.lag.ms", ms(1_000, spanMs));
  if (lag === "max") configs.set("max.compaction.lag.ms", ms(spanMs / 20, spanMs));
  return configs;
}
