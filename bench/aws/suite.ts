import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Measured, percentile, rounded } from "../support/statistics.ts";
import type { BenchContext, BenchSuite } from "../support/suite.ts";
import { newTarget, startGateway } from "./gateway.ts";
import { type LoadTimes, sendOpenLoop } from "./open-loop.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { simulatedAcks } from "./simulated-acks.ts";
import { TailReader } from "./tail-reader.ts";

const TIMEOUT_MS = 30_000;
/** Timers by which it is seen how late this process's timers are. */
const TIMER_MS = 5;
const FULL: LoadTimes = { warmUpSeconds: 3, seconds: 15 };
const SMALL: LoadTimes = { warmUpSeconds: 0.2, seconds: 0.5 };

const MEASURES = ["ack", "end to end", "ack in simulated time"] as const;
const PERCENTILES = ["p50", "p99"] as const;

/** Milliseconds of each batch, by what was measured. */
type Latencies = Readonly<Record<(typeof MEASURES)[number], readonly number[]>>;

/** A gateway in this process on stores and journals in memory that take as long as AWS's own. */
export const awsSuite: BenchSuite = {
  name: "aws",
  what: "with the latencies of S3 and DynamoDB: produce acks and records at consumers, beside the goals (about 15 minutes)",
  async run(context) {
    const measured: Measured[] = [];
    for (const scenario of SCENARIOS) {
      const rows = rowsOf(scenario).filter(({ name }) => context.wants(name));
      if (rows.length > 0) measured.push(...(await measure(scenario, rows, context)));
    }
    return measured;
  },
};

interface LatencyRow {
  readonly name: string;
  readonly measure: (typeof MEASURES)[number];
  readonly share: number;
  readonly reference: readonly number[];
}

function rowsOf({ name, goal }: Scenario): readonly LatencyRow[] {
  return MEASURES.flatMap((measureName) =>
    PERCENTILES.map((percentileName) => {
      const isMedian = percentileName === "p50";
      return {
        name: `${name}: ${measureName} ${percentileName}${goal === undefined ? "" : "; goal"}`,
        measure: measureName,
        share: isMedian ? 0.5 : 0.99,
        reference: goal === undefined ? [] : [isMedian ? goal.p50Ms : goal.p99Ms],
      };
    }),
  );
}

async function measure(
  scenario: Scenario,
  rows: readonly LatencyRow[],
  { isSmall, repeats, say }: BenchContext,
): Promise<readonly Measured[]> {
  const runs: Latencies[] = [];
  for (let seed = 1; seed <= repeats; seed++) {
    const lateness = monitorEventLoopDelay({ resolution: TIMER_MS });
    lateness.enable();
    const times = isSmall ? SMALL : FULL;
    const measured = await runOnce(scenario, times, seed);
    lateness.disable();
    const run = { ...measured, "ack in simulated time": await simulatedAcks(scenario, times, seed) };
    runs.push(run);
    const figures = MEASURES.map(
      (each) => `${each} p50 ${rounded(percentile(run[each], 0.5))}, p99 ${rounded(percentile(run[each], 0.99))} ms`,
    );
    // What a busy machine adds, to the latencies that are drawn as well as to ours.
    const lateMs = Math.max(0, lateness.percentile(99) / 1e6 - TIMER_MS);
    say(`${scenario.name}: ${figures.join("; ")}; timers late by ${rounded(lateMs)} ms at p99`);
  }
  return rows.map(({ name, measure: each, share, reference }) => ({
    name,
    unit: "ms",
    better: "lower",
    ours: runs.map((run) => percentile(run[each], share)),
    reference,
  }));
}

async function runOnce(
  { deployment, load, partitions }: Scenario,
  times: LoadTimes,
  seed: number,
): Promise<Omit<Latencies, "ack in simulated time">> {
  const broker = await startGateway(deployment, seed);
  try {
    const target = await newTarget(broker, partitions);
    await using reader = await TailReader.start(target);
    const batches = await sendOpenLoop(target, load, times);
    const endToEnd = await reader.latenciesOf(batches, TIMEOUT_MS);
    return { ack: batches.map(({ dueMs, ackMs }) => ackMs - dueMs), "end to end": endToEnd };
  } finally {
    await broker.stop();
  }
}
