import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Broker, type CommandMaker } from "../../test/clients/support/broker.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** As shells have it: 128 and the number of the signal. */
const STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

export interface ScratchBroker {
  readonly command: CommandMaker;
  readonly configs?: Readonly<Record<string, string>>;
}

/** A folder for all that is written, and the brokers that write there. Both go at the end, also when it comes by a signal. */
export class Scratch implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "millrace-bench-segments-"));
  readonly #brokers = new Set<Broker>();
  readonly #onSignal = (signal: (typeof SIGNALS)[number]): void => {
    for (const { pid } of this.#brokers) if (pid !== undefined) killNow(pid);
    this.#remove();
    process.exit(STATUS[signal]);
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  async start({ command, configs = {} }: ScratchBroker): Promise<Broker> {
    const directory = mkdtempSync(join(this.#directory, "broker-"));
    const broker = await Broker.start(command, { directory, configs });
    this.#brokers.add(broker);
    return broker;
  }

  /** Ends the brokers and removes what they wrote: a group of rows leaves nothing to the next. */
  async clear(): Promise<void> {
    for (const broker of this.#brokers) {
      await broker[Symbol.asyncDispose]();
      rmSync(broker.directory, { recursive: true, force: true, maxRetries: 3 });
    }
    this.#brokers.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clear();
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    this.#remove();
  }

  #remove(): void {
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

/** Fails with a clear text unless that much is free where temporary files are. */
export function checkDisk(neededBytes: number): void {
  const { bavail, bsize } = statfsSync(tmpdir());
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
  throw new Error(
    `${tmpdir()} has ${gigabytes(freeBytes)} GB free, and these rows need ${gigabytes(neededBytes)} GB: ` +
      "set TMPDIR to a folder with more room, or --gb to less",
  );
}
