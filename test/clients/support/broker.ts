import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kafkaCommand } from "./kafka-broker.ts";
import { type BrokerSettings, millraceCommand } from "./millrace-broker.ts";
import { lastLines } from "./processes.ts";

/** `kafka` is the reference: a check that Apache Kafka fails says nothing about Millrace. */
export type Target = "millrace" | "kafka";

/** How to start one kind of broker. */
export interface BrokerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Stands in the output once clients may connect. */
  readonly readyText: string;
}

/** Says how to start a broker that is neither of the two, or one of them in another way. */
export type CommandMaker = (settings: BrokerSettings, freePort: number) => BrokerCommand | Promise<BrokerCommand>;

const COMMANDS: Readonly<Record<Target, CommandMaker>> = { millrace: millraceCommand, kafka: kafkaCommand };

export interface BrokerOptions {
  /** Kafka's broker configs by Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
  /** A free one unless told. */
  readonly port?: number;
  /** One of the caller's, who removes it; by default a new one that goes with the broker. */
  readonly directory?: string;
}

interface Place {
  readonly port: number;
  readonly directory: string;
  readonly isDirectoryOurs: boolean;
}

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

/** A broker in a process of its own, on a free port with data of its own. Ends with its scope. */
export class Broker implements AsyncDisposable {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly directory: string;
  readonly #isDirectoryOurs: boolean;
  readonly #start: BrokerCommand;
  #child: ChildProcess | undefined;
  #starts = 0;
  #isOver = false;

  private constructor(place: Place, start: BrokerCommand) {
    this.port = place.port;
    this.directory = place.directory;
    this.#isDirectoryOurs = place.isDirectoryOurs;
    this.#start = start;
  }

  static async start(target: Target | CommandMaker, options: BrokerOptions = {}): Promise<Broker> {
    const make = typeof target === "function" ? target : COMMANDS[target];
    const label = typeof target === "function" ? "other" : target;
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), `millrace-clients-${label}-`));
    const port = options.port ?? (await freePort());
    const start = await make({ port, directory, configs: options.configs ?? {} }, await freePort());
    const broker = new Broker({ port, directory, isDirectoryOurs: options.directory === undefined }, start);
    try {
      await broker.restart();
    } catch (error) {
      await broker[Symbol.asyncDispose]();
      throw error;
    }
    return broker;
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** Of the running process. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process on the same port and data. Resolves when clients may connect. */
  async restart(): Promise<void> {
    this.#starts += 1;
    const log = join(this.directory, `broker-${this.#starts}.out`);
    const child = spawn(this.#start.command, this.#start.args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let seen = "";
    let isReady = false;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no broker after ${READY_TIMEOUT_MS} ms`)), READY_TIMEOUT_MS);
      const read = (chunk: Buffer): void => {
        // What a supervisor that was killed has started writes on for a moment.
        if (this.#isOver) return;
        appendFileSync(log, chunk);
        if (isReady) return;
        seen += chunk.toString();
        isReady = seen.includes(this.#start.readyText);
        if (!isReady) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        clearTimeout(timer);
        if (!isReady) reject(new Error(`the broker ended (${signal ?? code}) before it was ready: ${lastLines(seen)}`));
      });
    });
  }

  /** SIGKILL, as a power cut would do to the process. Resolves when it is gone. */
  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM. Answers the exit status; -1 if it took more than half a minute and was killed. */
  async stop(): Promise<number> {
    return await this.#end("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL");
    this.#isOver = true;
    if (this.#isDirectoryOurs) rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  #end(signal: NodeJS.Signals): Promise<number> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return Promise.resolve(child?.exitCode ?? -1);
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      child.once("exit", (code) => {
        clearTimeout(timer);
        resolve(code ?? -1);
      });
      child.kill(signal);
    });
  }
}

/** A port that nothing listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
