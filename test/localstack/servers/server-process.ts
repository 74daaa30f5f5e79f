import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import net from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killGroup, spawnLeashed } from "../leashed.ts";

export interface ServerOptions {
  readonly name: string;
  readonly command: readonly string[];
  /** The whole environment; nothing of this process's own is added. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
}

const PROBE_EVERY_MS = 100;
const LOG_LINES_SHOWN_MAX = 15;

/**
 * A server beside the tests, with whatever processes it starts itself. None of them keeps anything that is worth a
 * farewell, so all are killed at once; they also end when this process is gone, even by SIGKILL.
 */
export class ServerProcess implements AsyncDisposable {
  readonly #options: ServerOptions;
  readonly #child: ChildProcess;
  /** Resolves when the server has ended, whoever ended it. */
  readonly ended: Promise<void>;
  #isRunning = true;

  private constructor(options: ServerOptions, child: ChildProcess) {
    this.#options = options;
    this.#child = child;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const onEnd = (): void => {
      this.#isRunning = false;
      killGroup(child); // The server has ended; what it has started may not have.
      resolve();
    };
    child.once("exit", onEnd);
    child.once("error", onEnd);
  }

  static start(options: ServerOptions): ServerProcess {
    mkdirSync(dirname(options.logFile), { recursive: true });
    const output = openSync(options.logFile, "w");
    const child = spawnLeashed(options.command, { cwd: options.cwd, env: { ...options.environment }, output });
    closeSync(output);
    return new ServerProcess(options, child);
  }

  /** Waits until `probe` says that the server answers; fails with the end of its log if it ends or takes too long. */
  async untilReady(probe: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const { name, logFile } = this.#options;
    const giveUpAtMs = performance.now() + timeoutMs;
    while (!(await probe().catch(() => false))) {
      if (!this.#isRunning) throw new Error(`${name} ended before it was ready; ${this.#lastOfLog()}`);
      if (performance.now() > giveUpAtMs) {
        await this[Symbol.asyncDispose]();
        throw new Error(
          `${name} was not ready after ${timeoutMs / 1_000} s; its log is ${logFile}; ${this.#lastOfLog()}`,
        );
      }
      await sleep(PROBE_EVERY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    killGroup(this.#child);
    await this.ended;
  }

  #lastOfLog(): string {
    const lines = readFileSync(this.#options.logFile, "utf8").trimEnd().split("\n");
    return `the end of its log:\n${lines.slice(-LOG_LINES_SHOWN_MAX).join("\n")}`;
  }
}

/** Whether something listens there. */
export function isPortTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}
