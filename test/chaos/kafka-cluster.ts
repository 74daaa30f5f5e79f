import { join } from "node:path";
import { Broker, type CommandMaker } from "../clients/support/broker.ts";
import { kafkaCommand } from "../clients/support/kafka-broker.ts";
import { NodeCluster } from "./node-cluster.ts";
import { freePortRange } from "./ports.ts";

export interface KafkaClusterOptions {
  readonly brokers: number;
  readonly directory: string;
  readonly configs?: Readonly<Record<string, string>>;
  /** Of each node; by default one that starts fast and stays small. */
  readonly jvm?: readonly string[];
  /** Whether a killed node is started again after a second. */
  readonly isRestarting: boolean;
}

const CLUSTER_CONFIGS = {
  // Kafka's own defaults, for what the checks' single node has otherwise for its size or for their haste.
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
  "broker.session.timeout.ms": "9000",
  "broker.heartbeat.interval.ms": "2000",
  // Leadership goes back as soon as with us, instead of within five minutes.
  "leader.imbalance.check.interval.seconds": "5",
  "leader.imbalance.per.broker.percentage": "0",
};

/** Nodes of Apache Kafka, each a broker and a controller (KRaft), the first with id 0. */
export async function startKafkaCluster(options: KafkaClusterOptions): Promise<NodeCluster> {
  const { brokers, directory, configs, jvm, isRestarting } = options;
  const first = await freePortRange(2 * brokers);
  const ids = Array.from({ length: brokers }, (_, id) => id);
  const voters = ids.map((id) => `${id}@127.0.0.1:${first + brokers + id}`).join(",");
  const starting = ids.map((id) => {
    const node = { "node.id": `${id}`, "controller.quorum.voters": voters };
    const command: CommandMaker = (settings) => kafkaCommand(settings, first + brokers + id, jvm);
    return Broker.start(command, {
      port: first + id,
      directory: join(directory, `node-${id}`),
      configs: { ...CLUSTER_CONFIGS, ...configs, ...node },
    });
  });
  return await NodeCluster.start(starting, isRestarting);
}
