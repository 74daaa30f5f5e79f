import type { Deployment } from "../aws/deployment.ts";
import { newTarget, startGateway } from "../aws/gateway.ts";
import { sendOpenLoop } from "../aws/open-loop.ts";
import { simulatedAcks } from "../aws/simulated-acks.ts";
import { type Measured, percentile, rounded } from "../support/statistics.ts";
import type { ReplicasContext, ReplicasGroup } from "./group.ts";
import { PARTITIONS } from "./sizes.ts";

const SLOWDOWN = 10;
/** 10 MB/s, so that what waits for the slow store is a load on its memory too. */
const LOAD = { requestsPerSecond: 100, recordsPerRequest: 98, producers: 10 };
const PERCENTILES = [
  ["p50", 0.5],
  ["p99", 0.99],
] as const;

const MEASURES = ["ack", "ack in simulated time"] as const;
type Latencies = Readonly<Record<(typeof MEASURES)[number], readonly number[]>>;

const DEPLOYMENTS: readonly (readonly [label: string, deployment: Deployment])[] = [
  ["Standard, linger 250 ms", { storeClass: "Standard", storeCount: 3, lingerMs: 250 }],
  ["Standard, linger 50 ms", { storeClass: "Standard", storeCount: 3, lingerMs: 50 }],
  ["Express, linger 20 ms", { storeClass: "Express", storeCount: 3, lingerMs: 20 }],
];

export const slowStoreGroups: readonly ReplicasGroup[] = DEPLOYMENTS.map(([label, deployment]) =>
  slowStoreGroup(label, deployment),
);

/** What a store that answers ten times as late as the two others does to acknowledgements, beside three that are well. */
function slowStoreGroup(label: string, deployment: Deployment): ReplicasGroup {
  const rows = MEASURES.flatMap((measure) =>
    PERCENTILES.map(([percentileName, share]) => ({
      name: `${measure} ${percentileName}, one store of three slow by ${SLOWDOWN}, ${label}; all healthy`,
      of: (run: Latencies): number => percentile(run[measure], share),
    })),
  );
  return {
    rows: rows.map(({ name }) => name),
    async measure(context) {
      const slow: Latencies[] = [];
      const healthy: Latencies[] = [];
      for (let seed = 1; seed <= context.repeats; seed++) {
        const one = await latencies(deployment, seed, context);
        const other = await latencies({ ...deployment, slowdown: SLOWDOWN }, seed, context);
        healthy.push(one);
        slow.push(other);
        const [p50, p99, simulatedP50, simulatedP99] = rows.map(
          ({ of }) => `${rounded(of(other))} beside ${rounded(of(one))} ms`,
        );
        const simulated = `p50 ${simulatedP50}, p99 ${simulatedP99}`;
        context.say(`one store slow, ${label}: p50 ${p50}, p99 ${p99}; in simulated time ${simulated}`);
      }
      return rows.map(
        ({ name, of }): Measured => ({
          ...{ name, unit: "ms", better: "lower" },
          ours: slow.map(of),
          reference: healthy.map(of),
        }),
      );
    },
  };
}

async function latencies(deployment: Deployment, seed: number, { sizes }: ReplicasContext): Promise<Latencies> {
  const scenario = { name: "", deployment, load: LOAD, partitions: PARTITIONS, goal: undefined };
  const simulated = await simulatedAcks(scenario, sizes, seed);
  const broker = await startGateway(deployment, seed);
  try {
    const batches = await sendOpenLoop(await newTarget(broker, PARTITIONS), LOAD, sizes);
    return { ack: batches.map(({ dueMs, ackMs }) => ackMs - dueMs), "ack in simulated time": simulated };
  } finally {
    await broker.stop();
  }
}
