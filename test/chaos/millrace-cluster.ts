import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Broker, type CommandMaker } from "../clients/support/broker.ts";
import { lastLines, run, sleep } from "../clients/support/processes.ts";
import { ROOT } from "../clients/support/provision.ts";
import { type ChaosCluster, type ClusterBroker, childrenOf } from "./cluster.ts";
import { NodeCluster } from "./node-cluster.ts";
import type { WorkerFault } from "./plan.ts";
import { freePortRange } from "./ports.ts";
import { runWorker, type WorkerResult } from "./worker-process.ts";

export interface MillraceClusterOptions {
  readonly brokers: number;
  readonly stores: number;
  readonly directory: string;
}

const PROGRAM = join(ROOT, "bin/millrace.ts");
const EXAMINE_MS_MAX = 300_000;
/** How long a broker that has just been killed may be missing among the processes. */
const PROCESS_MS_MAX = 30_000;
const POLL_MS = 10;

/** What `npm start -- --brokers N --stores N` starts: brokers under a supervisor that starts them again. */
export class MillraceCluster implements ChaosCluster {
  readonly brokers: readonly ClusterBroker[];
  readonly stores: number;
  readonly hasWorkers = true;
  readonly #supervisor: Broker;
  readonly #directory: string;
  readonly #dataDirectory: string;

  private constructor(supervisor: Broker, { brokers, stores, directory }: MillraceClusterOptions) {
    const { host, port } = supervisor;
    this.brokers = Array.from({ length: brokers }, (_, id) => ({ id, host, port: port + id }));
    this.stores = stores;
    this.#supervisor = supervisor;
    this.#directory = directory;
    this.#dataDirectory = dataDirectoryIn(directory);
  }

  static async start(options: MillraceClusterOptions): Promise<MillraceCluster> {
    const { brokers, directory } = options;
    mkdirSync(directory, { recursive: true });
    const port = await freePortRange(brokers);
    const command = serveCommand(options, ["--brokers", `${brokers}`]);
    return new MillraceCluster(await Broker.start(command, { port, directory }), options);
  }

  get pids(): readonly number[] {
    return this.#supervisor.pid === undefined ? [] : [this.#supervisor.pid];
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

  work(worker: WorkerFault): Promise<WorkerResult> {
    return runWorker(worker, { program: PROGRAM, dataDirectory: this.#dataDirectory, directory: this.#directory });
  }

  async stop(): Promise<readonly string[]> {
    const status = await this.#supervisor.stop();
    const findings = [...(await this.#verifySegments()), ...(await this.#examine())];
    return status === 0 ? findings : [`the supervisor ended with ${status}`, ...findings];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor[Symbol.asyncDispose]();
  }

  /** All invariants that the bytes of journals and stores can show. */
  async #examine(): Promise<readonly string[]> {
    const args = [PROGRAM, "doctor", "--data-dir", this.#dataDirectory];
    const { code, stdout, stderr } = await run(process.execPath, args, { timeoutMs: EXAMINE_MS_MAX });
    return code === 0 ? [] : [`doctor (${code}): ${lastLines(stdout + stderr)}`];
  }

  /** Each byte of the log segments in every store; that there are any is part of it. */
  async #verifySegments(): Promise<readonly string[]> {
    const args = [PROGRAM, "segments", "verify", "--json", "--data-dir", this.#dataDirectory];
    const { code, stdout, stderr } = await run(process.execPath, args, { timeoutMs: EXAMINE_MS_MAX });
    if (code !== 0) return [`segments verify (${code}): ${lastLines(stdout + stderr)}`];
    return /"segments":[1-9]/.test(stdout) ? [] : ["no log segments were made"];
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

/** The same brokers without a supervisor: nobody starts again what was killed. */
export async function startMillraceBrokers(options: MillraceClusterOptions): Promise<NodeCluster> {
  const first = await freePortRange(options.brokers);
  const starting = Array.from({ length: options.brokers }, (_, id) => {
    const directory = join(options.directory, `broker-${id}`);
    mkdirSync(directory, { recursive: true });
    return Broker.start(serveCommand(options, ["--broker-id", `${id}`]), { port: first + id, directory });
  });
  return await NodeCluster.start(starting, false);
}

function serveCommand({ stores, directory }: MillraceClusterOptions, args: readonly string[]): CommandMaker {
  const common = ["--stores", `${stores}`, "--data-dir", dataDirectoryIn(directory)];
  return ({ port }) => ({
    command: process.execPath,
    args: [PROGRAM, "serve", ...args, ...common, "--kafka", `127.0.0.1:${port}`],
    readyText: "ready kafka=",
  });
}

const dataDirectoryIn = (directory: string): string => join(directory, "data");

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
