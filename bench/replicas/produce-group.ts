import { bootstrapOf } from "../../test/chaos/cluster.ts";
import { Samples } from "../kafka/contestants.ts";
import { alternate } from "../kafka/group.ts";
import { producePerformance } from "../kafka/producer-performance.ts";
import { GIGABYTE, KIBIBYTE, MEGABYTE, WARM_UP_SHARE } from "../kafka/sizes.ts";
import { cpuSeconds, syncDisks } from "../support/machine.ts";
import { rounded } from "../support/statistics.ts";
import { type ClusterName, newReplicatedTopic, type RunningCluster, startCluster } from "./clusters.ts";
import type { ReplicasContext, ReplicasGroup } from "./group.ts";
import { PARTITIONS } from "./sizes.ts";

const NAME = "produce 1 KiB, 6 partitions, RF 3 on 3 brokers";
const ROWS = {
  rate: NAME,
  rateSynced: `${NAME}, Kafka syncing each append`,
  cost: `brokers' CPU: ${NAME}`,
};
const CONTESTANTS: readonly ClusterName[] = ["ours", "kafka", "kafka-synced"];

/** How fast one producer gets rid of records that go to three replicas, and what they cost all brokers together. */
export const produceGroup: ReplicasGroup = {
  rows: Object.values(ROWS),
  async measure(context) {
    await using stack = new AsyncDisposableStack();
    const contestants = context.isSmall ? CONTESTANTS.slice(0, 2) : CONTESTANTS;
    const clusters: RunningCluster[] = [];
    for (const name of contestants) clusters.push(await startCluster(name, context, stack));
    const rates = new Samples();
    const costs = new Samples();
    await alternate(clusters, context, {
      measure: (running) => produceOnce(running, context),
      keep: ({ name }, { rate, cost }) => {
        rates.add(name, rate);
        costs.add(name, cost);
        context.say(`${NAME}: ${name} ${rounded(rate)} MB/s, ${rounded(cost)} CPU s/GB`);
      },
    });
    const rate = { unit: "MB/s", better: "higher", ours: rates.of("ours") } as const;
    const cost = { unit: "CPU s/GB", better: "lower", ours: costs.of("ours") } as const;
    return [
      { name: ROWS.rate, ...rate, reference: rates.of("kafka") },
      { name: ROWS.rateSynced, ...rate, reference: rates.of("kafka-synced") },
      { name: ROWS.cost, ...cost, reference: costs.of("kafka") },
    ];
  },
};

async function produceOnce({ cluster }: RunningCluster, { sizes, isSmall }: ReplicasContext) {
  const topic = await newReplicatedTopic(cluster, PARTITIONS);
  const records = Math.round(sizes.produceBytes / KIBIBYTE);
  const warmUpRecords = Math.round(records * WARM_UP_SHARE);
  await syncDisks();
  const spent = (): number => cluster.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = spent();
  const load = {
    topic: topic.name,
    recordBytes: KIBIBYTE,
    records,
    warmUpRecords,
    throughput: -1,
    lingerMs: 5,
    isSmall,
  };
  const { recordsPerSecond } = await producePerformance(bootstrapOf(cluster), load);
  const producedBytes = (records + warmUpRecords) * KIBIBYTE;
  return {
    rate: (recordsPerSecond * KIBIBYTE) / MEGABYTE,
    cost: (spent() - before) / (producedBytes / GIGABYTE),
  };
}
