import type { Deployment } from "../aws/deployment.ts";
import { newTarget, startGateway } from "../aws/gateway.ts";
import { sendOpenLoop } from "../aws/open-loop.ts";
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
  const nameOf = (percentileName: string): string =>
    `ack ${percentileName}, one store of three slow by ${SLOWDOWN}, ${label}; all healthy`;
  return {
    rows: PERCENTILES.map(([name]) => nameOf(name)),
    async measure(context) {
      const slow: (readonly number[])[] = [];
      const healthy: (readonly number[])[] = [];
      for (let seed = 1; seed <= context.repeats; seed++) {
        healthy.push(await latencies(deployment, { seed, slowdown: 1 }, context));
        slow.push(await latencies(deployment, { seed, slowdown: SLOWDOWN }, context));
        const figures = PERCENTILES.map(([name, share]) => {
          const [ours, reference] = [slow, healthy].map((runs) => percentile(runs.at(-1) ?? [], share));
          return `${name} ${rounded(ours ?? 0)} beside ${rounded(reference ?? 0)} ms`;
        });
        context.say(`one store slow, ${label}: ${figures.join(", ")}`);
      }
      return PERCENTILES.map(
        ([name, share]): Measured => ({
          ...{ name: nameOf(name), unit: "ms", better: "lower" },
          ours: slow.map((run) => percentile(run, share)),
          reference: healthy.map((run) => percentile(run, share)),
        }),
      );
    },
  };
}

async function latencies(
  deployment: Deployment,
  weather: { readonly seed: number; readonly slowdown: number },
  { sizes }: ReplicasContext,
): Promise<readonly number[]> {
  const broker = await startGateway(deployment, weather);
  try {
    const batches = await sendOpenLoop(await newTarget(broker, PARTITIONS), LOAD, sizes);
    return batches.map(({ dueMs, ackMs }) => ackMs - dueMs);
  } finally {
    await broker.stop();
  }
}
