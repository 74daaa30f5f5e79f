import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { assertNoError } from "#lib/client/kafka-error.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { WorkerFault } from "./plan.ts";
import type { WorkerResult } from "./worker-process.ts";

export interface ClusterBroker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** Several brokers on this machine, of which any may be killed. */
export interface ChaosCluster extends AsyncDisposable {
  /** By id, ascending. */
  readonly brokers: readonly ClusterBroker[];
  /** How many stores can be made to fail, the first being 0. */
  readonly stores: number;
  /** Of the processes that we have started, which may have children. */
  readonly pids: readonly number[];
  /** SIGKILL. Resolves when the process is gone; whether it comes back by itself is the cluster's nature. */
  kill(brokerId: number): Promise<void>;
  /** Makes a store fail: nothing can be written to it or found in it. Resolves with what brings it back as it was. */
  takeAway(storeId: number): () => void;
  /** Whether `work` works. */
  readonly hasWorkers: boolean;
  /** Runs a worker by hand, beside the brokers. Resolves when its process is gone. */
  work(worker: WorkerFault): Promise<WorkerResult>;
  /** SIGTERM to all. Answers what did not end as it ought to. */
  stop(): Promise<readonly string[]>;
}

export const bootstrapOf = ({ brokers }: Pick<ChaosCluster, "brokers">): string =>
  brokers.map(({ host, port }) => `${host}:${port}`).join(",");

const CREATE_MS_MAX = 60_000;

export interface ReplicatedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  /** By Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** More than half of the replicas have to be in sync: Millrace's default, told to Kafka as well. */
export async function createReplicatedTopic(
  { brokers }: Pick<ChaosCluster, "brokers">,
  { name, partitions, replicationFactor, configs: wanted }: ReplicatedTopic,
): Promise<void> {
  const ports = { clock: new SystemClock(), random: new SystemRandom() };
  await using client = new KafkaClient({ bootstrap: brokers, clientId: "chaos", ...ports });
  const all = { "min.insync.replicas": String(Math.floor(replicationFactor / 2) + 1), ...wanted };
  const configs = Object.entries(all).map(([config, value]) => ({ name: config, value }));
  const topic = { name, numPartitions: partitions, replicationFactor, configs };
  const signal = AbortSignal.timeout(CREATE_MS_MAX);
  await client.retrying(
    async () => {
      const { topics } = await client.send(Apis.CREATE_TOPICS, { topics: [topic] }, { signal });
      for (const { errorCode, errorMessage } of topics) {
        if (errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS) assertNoError(errorCode, name, errorMessage);
      }
    },
    { timeoutMs: CREATE_MS_MAX, signal },
  );
}

/** The living children of a process, with their arguments. Linux only. */
export function childrenOf(pid: number): readonly { readonly pid: number; readonly args: readonly string[] }[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const pids = tasks.flatMap((task) =>
    readFileSync(join("/proc", `${pid}`, "task", task, "children"), "utf8")
      .split(" ")
      .filter((text) => text !== ""),
  );
  return pids.map((child) => ({
    pid: Number(child),
    args: readFileSync(join("/proc", child, "cmdline"), "utf8").split("\0"),
  }));
}
