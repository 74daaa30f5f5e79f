import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChaosCluster, createReplicatedTopic, type ReplicatedTopic } from "../../test/chaos/cluster.ts";
import { startKafkaCluster } from "../../test/chaos/kafka-cluster.ts";
import { MillraceCluster, startMillraceBrokers } from "../../test/chaos/millrace-cluster.ts";
import type { NodeCluster } from "../../test/chaos/node-cluster.ts";
import { untilWhole } from "../../test/chaos/round.ts";
import type { BenchContext } from "../support/suite.ts";

export const BROKERS = 3;
const REPLICATION_FACTOR = 3;

/** As Kafka's own start scripts set them, with half of their heap: three nodes share this machine. */
const KAFKA_JVM = [
  "-server",
  "-Xms512M",
  "-Xmx512M",
  "-XX:+UseG1GC",
  "-XX:MaxGCPauseMillis=20",
  "-XX:InitiatingHeapOccupancyPercent=35",
  "-XX:+ExplicitGCInvokesConcurrent",
];
const SYNCED = { "log.flush.interval.messages": "1" };

export type ClusterName = "ours" | "kafka" | "kafka-synced";

export interface RunningCluster {
  readonly name: ClusterName;
  readonly cluster: ChaosCluster;
}

/** Millrace as `npm start -- --brokers 3 --stores 3` starts it, or as many nodes of Apache Kafka. */
export function startCluster(name: ClusterName, context: BenchContext, stack: AsyncDisposableStack) {
  return started(name, stack, (directory): Promise<ChaosCluster> => {
    if (name === "ours") return MillraceCluster.start({ brokers: BROKERS, stores: BROKERS, directory });
    const configs = name === "kafka-synced" ? SYNCED : {};
    return startKafkaCluster({ ...kafkaNodes(context, directory), configs, isRestarting: true });
  });
}

/** The same of which a killed broker stays dead until it is revived. */
export function startMortals(name: "ours" | "kafka", context: BenchContext, stack: AsyncDisposableStack) {
  return started(name, stack, (directory): Promise<NodeCluster> => {
    if (name === "ours") return startMillraceBrokers({ brokers: BROKERS, stores: BROKERS, directory });
    return startKafkaCluster({ ...kafkaNodes(context, directory), isRestarting: false });
  });
}

function kafkaNodes({ isSmall }: BenchContext, directory: string) {
  // The checks' own JVM starts in half the time and never gets as fast.
  return { brokers: BROKERS, directory, ...(isSmall ? {} : { jvm: KAFKA_JVM }) };
}

/** The cluster ends with the stack, and its data goes. */
async function started<C extends ChaosCluster>(
  name: ClusterName,
  stack: AsyncDisposableStack,
  start: (directory: string) => Promise<C>,
): Promise<{ readonly name: ClusterName; readonly directory: string; readonly cluster: C }> {
  const directory = mkdtempSync(join(tmpdir(), `millrace-bench-replicas-${name}-`));
  stack.defer(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  return { name, directory, cluster: stack.use(await start(directory)) };
}

let topicsMade = 0;

/** A topic of a name of its own with all replicas in sync. */
export async function newReplicatedTopic(cluster: ChaosCluster, partitions: number): Promise<ReplicatedTopic> {
  topicsMade += 1;
  const topic = { name: `replicas-${topicsMade}`, partitions, replicationFactor: REPLICATION_FACTOR };
  await createReplicatedTopic(cluster, topic);
  await untilWhole({ cluster, topic });
  return topic;
}
