import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Target } from "../clients/support/broker.ts";
import { sleep } from "../clients/support/processes.ts";
import { bootstrapOf, type ChaosCluster, createReplicatedTopic } from "./cluster.ts";
import { compareDelivery, type Delivery, sumDeliveries } from "./delivery.ts";
import { startKafkaCluster } from "./kafka-cluster.ts";
import { Load } from "./load.ts";
import { MillraceCluster } from "./millrace-cluster.ts";
import { describeFault, planOf, type WorkerFault } from "./plan.ts";
import { Reader, type ReaderSettings } from "./reader.ts";
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
 * So that brokers make segments of what is a minute old, clean them and have garbage all the time: as each record has a key
 * of its own, cleaning removes none of them.
 */
const WORKED_CONFIGS = { "cleanup.policy": "compact,delete", "segment.ms": "60000" };
/** Of each partition: a minute, in segments and entries. */
const RECENT_OFFSETS = 3_000;
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
  const fail = (what: string, text: string): void => {
    failures.push(`${what}: ${text}`);
    say(`FAIL ${failures.at(-1)}`);
  };
  const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      fail(what, error instanceof Error ? error.message : String(error));
      return false;
    }
  };
  for (const [i, fault] of plan.entries()) {
    const name = `round ${i + 1} of ${rounds}: ${describeFault(fault)}`;
    const isOver = await attempt(name, async () => {
      const result = await runRound(fault, { cluster, topic, load, readRecent: () => readRecent(place, load) });
      results.push(result);
      say(`${name}: ${tell(result)}`);
      for (const text of complaintsOf(fault, result.workers)) fail(name, text);
    });
    if (!isOver) break;
    await sleep(fault.restMs);
  }
  const longestPauseMs = load.longestPauseMs(beganMs, load.mark());
  await attempt("the producer's end", () => load.stop(STOP_MS_MAX));
  failures.push(...load.failures.map((text) => `given up by the producer: ${text}`));
  await attempt("reading along", () => follower.untilCaughtUp(load.partitions, WHOLE_MS_MAX));
  deliveries.set("reading along", compareDelivery(load.partitions, follower.records));
  const recent = results.flatMap(({ delivery }) => delivery ?? []);
  if (recent.length > 0) deliveries.set(`beside workers, ${recent.length} times`, sumDeliveries(recent));
  const readAll = (what: string, name: string) =>
    attempt(what, () => readAgain({ ...place, name }, load, (delivery) => deliveries.set(what, delivery)));
  await readAll("reading again", "again");
  if (cluster.hasWorkers) {
    for (const name of LAST_WORKERS) await attempt("the last workers", () => workToTheEnd(cluster, name));
    await readAll("reading segments", "segments");
  }
  failures.push(...(await cluster.stop()));
  return { rounds: results, deliveries, failures, longestPauseMs };
}

type Place = Omit<ReaderSettings, "mode" | "name">;

/** What was acknowledged before has to be there while workers change where it lies. */
async function readRecent(place: Place, { partitions }: Load): Promise<Delivery> {
  const acked = partitions.map(({ offsets }) => offsets.length);
  await using reader = await Reader.start({ ...place, mode: `last:${RECENT_OFFSETS}`, name: "recent" });
  await reader.untilEnded(WHOLE_MS_MAX);
  const stretches = acked.map((ackedBefore, i) => ({ ackedBefore, fromOffset: reader.begins[i] ?? 0 }));
  return compareDelivery(partitions, reader.records, stretches);
}

/** Everything by a consumer that knows nothing yet. What it saw is told even if it gives up. */
async function readAgain(
  place: Place & { readonly name: string },
  { partitions }: Load,
  deliver: (delivery: Delivery) => void,
): Promise<void> {
  await using reader = await Reader.start({ ...place, mode: "once" });
  try {
    await reader.untilEnded(WHOLE_MS_MAX);
  } finally {
    deliver(compareDelivery(partitions, reader.records));
  }
}

async function workToTheEnd(cluster: ChaosCluster, name: WorkerFault["name"]): Promise<void> {
  const result = await cluster.work({ name, killAfterMs: undefined });
  const [complaint] = complaintsOf({ storeId: undefined }, [result]);
  if (complaint !== undefined) throw new Error(complaint);
}

function tell({ writesAfterMs, longestPauseMs, wholeAfterMs }: RoundResult): string {
  const times = [`writes again after ${seconds(writesAfterMs)}`, `longest pause ${seconds(longestPauseMs)}`];
  return [...times, `whole again after ${seconds(wholeAfterMs)}`].join(", ");
}
