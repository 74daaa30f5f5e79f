import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Target } from "../clients/support/broker.ts";
import { sleep } from "../clients/support/processes.ts";
import { bootstrapOf, type ChaosCluster, createReplicatedTopic } from "./cluster.ts";
import { compareDelivery, type Delivery } from "./delivery.ts";
import { startKafkaCluster } from "./kafka-cluster.ts";
import { Load } from "./load.ts";
import { MillraceCluster } from "./millrace-cluster.ts";
import { describeFault, planOf } from "./plan.ts";
import { Reader } from "./reader.ts";
import { seconds } from "./report.ts";
import { complaintsOf, type RoundResult, runRound, untilWhole, WHOLE_MS_MAX } from "./round.ts";

export interface ChaosSettings {
  readonly target: Target;
  readonly rounds: number;
  readonly seed: number;
  readonly brokers: number;
  readonly stores: number;
  readonly recordsPerSecond: number;
  /** Leaves the data and the logs where they are. */
  readonly isKeeping: boolean;
}

export interface ChaosResult {
  readonly rounds: readonly RoundResult[];
  /** By reader. */
  readonly deliveries: ReadonlyMap<string, Delivery>;
  /** What went wrong otherwise, a line each. */
  readonly failures: readonly string[];
  readonly longestPauseMs: number;
}

const PARTITIONS = 6;
const REPLICATION_FACTOR_MAX = 3;
/** Large ones have 100 kB then: five a second, each in an object of its own, among small ones in the journal. */
const RECORD_BYTES = 200;
const START_MS_MAX = 60_000;
/**
 * So that brokers make segments of what is 10 s old, clean them and have garbage all the time: as each record has a key
 * of its own, cleaning removes none of them.
 */
const WORKED_CONFIGS = { "cleanup.policy": "compact,delete", "segment.ms": "10000" };
/** What is under way when the last round is over: the producer's requests may wait for their time limit. */
const STOP_MS_MAX = 150_000;

/** They leave nothing but segments, and nothing that nobody refers to. */
const LAST_WORKERS = ["compactor", "cleaner", "garbage"] as const;

/** Runs all rounds; one that does not come to its end ends the run. */
export async function runChaos(settings: ChaosSettings, say: (line: string) => void): Promise<ChaosResult> {
  const directory = mkdtempSync(join(tmpdir(), `millrace-chaos-${settings.target}-`));
  if (settings.isKeeping) say(`data and logs: ${directory}`);
  try {
    const cluster = await startCluster(settings, directory);
    try {
      return await runOn(cluster, settings, { directory, say });
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
  } finally {
    if (!settings.isKeeping) rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function startCluster({ target, brokers, stores }: ChaosSettings, directory: string): Promise<ChaosCluster> {
  return target === "kafka"
    ? startKafkaCluster({ brokers, directory, isRestarting: true })
    : MillraceCluster.start({ brokers, stores, directory });
}

interface Surroundings {
  readonly directory: string;
  say(line: string): void;
}

async function runOn(
  cluster: ChaosCluster,
  { seed, rounds, recordsPerSecond }: ChaosSettings,
  { directory, say }: Surroundings,
): Promise<ChaosResult> {
  const replicationFactor = Math.min(REPLICATION_FACTOR_MAX, cluster.stores || cluster.brokers.length);
  const configs = cluster.hasWorkers ? WORKED_CONFIGS : {};
  const topic = { name: "chaos", partitions: PARTITIONS, replicationFactor, configs };
  await createReplicatedTopic(cluster, topic);
  await untilWhole({ cluster, topic });
  const place = { bootstrap: bootstrapOf(cluster), topic: topic.name, partitions: PARTITIONS, directory };
  await using load = await Load.start({ ...place, recordsPerSecond, recordBytes: RECORD_BYTES }, START_MS_MAX);
  await using follower = await Reader.start({ ...place, mode: "follow" });
  // Fewer than three replicas do not survive the loss of one.
  const stores = replicationFactor < REPLICATION_FACTOR_MAX ? 0 : cluster.stores;
  const plan = planOf({ seed, rounds, brokers: cluster.brokers.length, stores, hasWorkers: cluster.hasWorkers });
  const results: RoundResult[] = [];
  const failures: string[] = [];
  const deliveries = new Map<string, Delivery>();
  const beganMs = load.mark();
  const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      say(`FAIL ${failures.at(-1)}`);
      return false;
    }
  };
  for (const [i, fault] of plan.entries()) {
    const name = `round ${i + 1} of ${rounds}: ${describeFault(fault)}`;
    const isOver = await attempt(name, async () => {
      const result = await runRound(fault, { cluster, topic, load });
      results.push(result);
      say(`${name}: ${tell(result)}`);
      for (const text of complaintsOf(fault, result.workers))
        await attempt(name, () => Promise.reject(new Error(text)));
    });
    if (!isOver) break;
    await sleep(fault.restMs);
  }
  const longestPauseMs = load.longestPauseMs(beganMs, load.mark());
  await attempt("the producer's end", () => load.stop(STOP_MS_MAX));
  failures.push(...load.failures.map((text) => `given up by the producer: ${text}`));
  await attempt("reading along", () => follower.untilCaughtUp(load.partitions, WHOLE_MS_MAX));
  deliveries.set("reading along", compareDelivery(load.partitions, follower.records));
  const readAll = (what: string, mode: string) =>
    attempt(what, async () => {
      await using reader = await Reader.start({ ...place, mode: "once", name: mode });
      try {
        await reader.untilEnded(WHOLE_MS_MAX);
      } finally {
        deliveries.set(what, compareDelivery(load.partitions, reader.records));
      }
    });
  await readAll("reading again", "again");
  if (cluster.hasWorkers) {
    for (const name of LAST_WORKERS) {
      await attempt("the last workers", async () => {
        const result = await cluster.work({ name, killAfterMs: undefined });
        const [complaint] = complaintsOf({ storeId: undefined }, [result]);
        if (complaint !== undefined) throw new Error(complaint);
      });
    }
    await readAll("reading segments", "segments");
  }
  failures.push(...(await cluster.stop()));
  return { rounds: results, deliveries, failures, longestPauseMs };
}

function tell({ writesAfterMs, longestPauseMs, wholeAfterMs }: RoundResult): string {
  const times = [`writes again after ${seconds(writesAfterMs)}`, `longest pause ${seconds(longestPauseMs)}`];
  return [...times, `whole again after ${seconds(wholeAfterMs)}`].join(", ");
}
