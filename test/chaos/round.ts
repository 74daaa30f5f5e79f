import { sleep } from "../clients/support/processes.ts";
import type { ChaosCluster, ReplicatedTopic } from "./cluster.ts";
import type { Delivery } from "./delivery.ts";
import type { Load } from "./load.ts";
import { nowMs, untilNothingIsMissing } from "./moments.ts";
import type { Fault, FaultKind } from "./plan.ts";
import { missingOf } from "./whole-cluster.ts";
import type { WorkerResult } from "./worker-process.ts";

export interface RoundResult {
  readonly kind: FaultKind;
  /** From the fault until every partition had acknowledged a record that was sent after it. */
  readonly writesAfterMs: number;
  /** The longest time for which any partition had no acknowledgement, until the cluster was whole. */
  readonly longestPauseMs: number;
  /** From the fault, or from when the store was back, until the cluster was whole. */
  readonly wholeAfterMs: number;
  readonly workers: readonly WorkerResult[];
  /** What a reader saw that began to read when the workers did; undefined if there were none. */
  readonly delivery: Delivery | undefined;
}

export interface RoundContext {
  readonly cluster: ChaosCluster;
  readonly topic: ReplicatedTopic;
  readonly load: Load;
  /** Reads the last minute from a fresh consumer. */
  readRecent(): Promise<Delivery>;
}

/** A record is given up by its producer after two minutes (delivery.timeout.ms). */
const WRITES_MS_MAX = 100_000;
export const WHOLE_MS_MAX = 120_000;
const LOOK_MS = 250;

/** Makes one thing fail and waits until all is well again. Fails with `LateError` if that takes too long. */
export async function runRound(fault: Fault, { cluster, topic, load, readRecent }: RoundContext): Promise<RoundResult> {
  const beganMs = load.mark();
  const bringBack = fault.storeId === undefined ? undefined : cluster.takeAway(fault.storeId);
  const working = Promise.all(fault.workers.map((worker) => cluster.work(worker)));
  const reading = fault.workers.length === 0 ? Promise.resolve(undefined) : readRecent();
  // It is waited for at the end.
  reading.catch(() => {});
  let writesMs: number;
  try {
    await Promise.all(fault.brokerIds.map((id) => cluster.kill(id)));
    writesMs = await load.untilAcked(WRITES_MS_MAX);
    if (bringBack !== undefined) await sleep(Math.max(0, beganMs + fault.awayMs - nowMs()));
  } finally {
    bringBack?.();
  }
  const backMs = bringBack === undefined ? beganMs : nowMs();
  const [wholeMs, workers, delivery] = await Promise.all([untilWhole({ cluster, topic }), working, reading]);
  const longestPauseMs = load.longestPauseMs(beganMs, nowMs());
  const times = { writesAfterMs: writesMs - beganMs, longestPauseMs, wholeAfterMs: wholeMs - backMs };
  return { kind: fault.kind, ...times, workers, delivery };
}

/** What workers may not do in such a round: leave something undone though all stores are there, or fail. */
export function complaintsOf({ storeId }: Pick<Fault, "storeId">, workers: readonly WorkerResult[]): readonly string[] {
  return workers.flatMap(({ name, end, text }) =>
    end === "failed" || (end === "undone" && storeId === undefined)
      ? [`the ${name} has ${end === "failed" ? "failed" : "left something undone"}: ${text}`]
      : [],
  );
}

/** Resolves with the moment in which all replicas are in sync and the preferred leaders lead. */
export async function untilWhole({ cluster, topic }: Pick<RoundContext, "cluster" | "topic">): Promise<number> {
  const patience = { limitMs: WHOLE_MS_MAX, pollMs: LOOK_MS };
  return await untilNothingIsMissing("the whole cluster", patience, () => missingOf(cluster, topic));
}
