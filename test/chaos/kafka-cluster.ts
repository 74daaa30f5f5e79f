import { join } from "node:path";
import { Broker, type CommandMaker } from "../clients/support/broker.ts";
import { kafkaCommand } from "../clients/support/kafka-broker.ts";
import { sleep } from "../clients/support/processes.ts";
import type { ChaosCluster, ClusterBroker } from "./cluster.ts";
import { freePortRange } from "./ports.ts";

/** How long a killed node stays dead: as the supervisor of Millrace's brokers has it. */
const RESTART_AFTER_MS = 1_000;

export interface KafkaClusterOptions {
  readonly brokers: number;
  readonly directory: string;
  readonly configs: Readonly<Record<string, string>>;
  /** Of each node; by default one that starts fast and stays small. */
  readonly jvm?: readonly string[];
  readonly isRestarting: boolean;
}

/** Kafka's own defaults for what the checks' single node has set for its size or for their haste. */
const CLUSTER_CONFIGS = {
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
  "broker.session.timeout.ms": "9000",
  "broker.heartbeat.interval.ms": "2000",
};

/** Nodes of Apache Kafka, each a broker and a controller (KRaft). */
export class KafkaCluster implements ChaosCluster {
  readonly brokers: readonly ClusterBroker[];
  readonly stores = 0;
  readonly #nodes: readonly Broker[];
  readonly #isRestarting: boolean;
  readonly #restarts = new Set<Promise<void>>();
  #isStopping = false;

  private constructor(nodes: readonly Broker[], isRestarting: boolean) {
    this.brokers = nodes.map(({ host, port }, id) => ({ id, host, port }));
    this.#nodes = nodes;
    this.#isRestarting = isRestarting;
  }

  static async start({ brokers, directory, configs, jvm, isRestarting }: KafkaClusterOptions): Promise<KafkaCluster> {
    const first = await freePortRange(2 * brokers);
    const ids = Array.from({ length: brokers }, (_, id) => id);
    const voters = ids.map((id) => `${id}@127.0.0.1:${first + brokers + id}`).join(",");
    const started = await Promise.allSettled(
      ids.map((id) => {
        const controllerPort = first + brokers + id;
        const node = { "node.id": `${id}`, "controller.quorum.voters": voters };
        const command: CommandMaker = (settings) => kafkaCommand(settings, controllerPort, jvm);
        return Broker.start(command, {
          port: first + id,
          directory: join(directory, `node-${id}`),
          configs: { ...CLUSTER_CONFIGS, ...configs, ...node },
        });
      }),
    );
    const nodes = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    for (const each of started) {
      if (each.status === "fulfilled") continue;
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
      throw each.reason;
    }
    return new KafkaCluster(nodes, isRestarting);
  }

  async kill(brokerId: number): Promise<void> {
    const node = this.#nodes[brokerId];
    await node?.kill9();
    if (node === undefined || !this.#isRestarting) return;
    const restarted = (async () => {
      await sleep(RESTART_AFTER_MS);
      if (!this.#isStopping) await node.restart();
    })();
    this.#restarts.add(restarted);
    // One that cannot start is missing in the next look at the cluster.
    restarted.catch(() => {}).finally(() => this.#restarts.delete(restarted));
  }

  takeAway(): () => void {
    throw new Error("the directory of a Kafka node is not taken away");
  }

  async stop(): Promise<readonly string[]> {
    await this.#settle();
    const statuses = await Promise.all(this.#nodes.map((node) => node.stop()));
    // Java's own status after SIGTERM.
    return statuses.flatMap((status, id) =>
      status === 143 || status === 0 ? [] : [`node ${id} ended with ${status}`],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#settle();
    await Promise.all(this.#nodes.map((node) => node[Symbol.asyncDispose]()));
  }

  async #settle(): Promise<void> {
    this.#isStopping = true;
    await Promise.allSettled(this.#restarts);
  }
}
