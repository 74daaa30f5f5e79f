import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Broker } from "../clients/support/broker.ts";
import { sleep } from "../clients/support/processes.ts";
import { ROOT } from "../clients/support/provision.ts";
import { type ChaosCluster, type ClusterBroker, childrenOf } from "./cluster.ts";
import { freePortRange } from "./ports.ts";

export interface MillraceClusterOptions {
  readonly brokers: number;
  readonly stores: number;
  readonly directory: string;
  readonly configs?: Readonly<Record<string, string>>;
}

/** How long a broker that died of itself, or has just been killed, may be missing among the processes. */
const PROCESS_MS_MAX = 30_000;
const POLL_MS = 10;

/** What `npm start -- --brokers N --stores N` starts: brokers under a supervisor that starts them again. */
export class MillraceCluster implements ChaosCluster {
  readonly brokers: readonly ClusterBroker[];
  readonly stores: number;
  readonly #supervisor: Broker;
  readonly #dataDirectory: string;

  private constructor(supervisor: Broker, options: MillraceClusterOptions) {
    this.brokers = Array.from({ length: options.brokers }, (_, id) => ({
      id,
      host: supervisor.host,
      port: supervisor.port + id,
    }));
    this.stores = options.stores;
    this.#supervisor = supervisor;
    this.#dataDirectory = dataDirectoryIn(options.directory);
  }

  static async start(options: MillraceClusterOptions): Promise<MillraceCluster> {
    const { brokers, stores, directory, configs = {} } = options;
    mkdirSync(directory, { recursive: true });
    const counts = ["--brokers", `${brokers}`, "--stores", `${stores}`];
    const port = await freePortRange(brokers);
    const supervisor = await Broker.start(
      (settings) => ({
        command: process.execPath,
        args: [
          ...[join(ROOT, "bin/millrace.ts"), "serve", ...counts, "--data-dir", dataDirectoryIn(directory)],
          ...["--kafka", `127.0.0.1:${settings.port}`],
          ...Object.entries(settings.configs).flatMap(([key, value]) => ["--broker-config", `${key}=${value}`]),
        ],
        readyText: "ready kafka=",
      }),
      { port, directory, configs },
    );
    return new MillraceCluster(supervisor, options);
  }

  async kill(brokerId: number): Promise<void> {
    const pid = await this.#pidOf(brokerId);
    process.kill(pid, "SIGKILL");
    while (isAlive(pid)) await sleep(POLL_MS);
  }

  takeAway(storeId: number): () => void {
    const path = join(this.#dataDirectory, `store-${storeId}`);
    const away = `${path}.away`;
    renameSync(path, away);
    writeFileSync(path, "");
    return () => {
      rmSync(path);
      renameSync(away, path);
    };
  }

  async stop(): Promise<readonly string[]> {
    const status = await this.#supervisor.stop();
    return status === 0 ? [] : [`the supervisor ended with ${status}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]();
  }

  async #pidOf(brokerId: number): Promise<number> {
    for (let waitedMs = 0; waitedMs < PROCESS_MS_MAX; waitedMs += POLL_MS) {
      const found = childrenOf(this.#supervisor.pid ?? 0).find(({ args }) => isBroker(args, brokerId));
      if (found !== undefined) return found.pid;
      await sleep(POLL_MS);
    }
    throw new Error(`broker ${brokerId} has no process`);
  }
}

export const dataDirectoryIn = (directory: string): string => join(directory, "data");

function isBroker(args: readonly string[], brokerId: number): boolean {
  const at = args.indexOf("--broker-id");
  return at >= 0 ? args[at + 1] === `${brokerId}` : args.includes(`--broker-id=${brokerId}`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
