import type { Broker } from "../clients/support/broker.ts";
import { sleep } from "../clients/support/processes.ts";
import type { ChaosCluster, ClusterBroker } from "./cluster.ts";

/** How long a killed node stays dead: as the supervisor of Millrace's brokers has it. */
const RESTART_AFTER_MS = 1_000;
/** Java's own after SIGTERM, and ours. */
const ORDERLY_STATUSES = [143, 0];

/** Brokers that are processes of ours, one by one. */
export class NodeCluster implements ChaosCluster {
  readonly brokers: readonly ClusterBroker[];
  readonly stores = 0;
  readonly hasWorkers = false;
  readonly #nodes: readonly Broker[];
  readonly #isRestarting: boolean;
  readonly #restarts = new Set<Promise<void>>();
  #isStopping = false;

  private constructor(nodes: readonly Broker[], isRestarting: boolean) {
    this.brokers = nodes.map(({ host, port }, id) => ({ id, host, port }));
    this.#nodes = nodes;
    this.#isRestarting = isRestarting;
  }

  /** Of nodes that start at the same time, in the order of their ids. With `isRestarting` a killed one comes back. */
  static async start(starting: readonly Promise<Broker>[], isRestarting: boolean): Promise<NodeCluster> {
    const started = await Promise.allSettled(starting);
    const nodes = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    for (const each of started) {
      if (each.status === "fulfilled") continue;
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
      throw each.reason;
    }
    return new NodeCluster(nodes, isRestarting);
  }

  get pids(): readonly number[] {
    return this.#nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  async kill(brokerId: number): Promise<void> {
    await this.#nodes[brokerId]?.kill9();
    if (!this.#isRestarting) return;
    const restarted = (async () => {
      await sleep(RESTART_AFTER_MS);
      if (!this.#isStopping) await this.revive(brokerId);
    })();
    this.#restarts.add(restarted);
    // One that cannot start is missing in the next look at the cluster.
    restarted.catch(() => {}).finally(() => this.#restarts.delete(restarted));
  }

  /** Starts a killed one again. Resolves when clients may connect. */
  async revive(brokerId: number): Promise<void> {
    await this.#nodes[brokerId]?.restart();
  }

  takeAway(): () => void {
    throw new Error("no store of these brokers can be taken away");
  }

  work(): Promise<never> {
    throw new Error("these brokers have no workers to be run by hand");
  }

  async stop(): Promise<readonly string[]> {
    await this.#settle();
    const statuses = await Promise.all(this.#nodes.map((node) => node.stop()));
    return statuses.flatMap((status, id) =>
      ORDERLY_STATUSES.includes(status) ? [] : [`broker ${id} ended with ${status}`],
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
