import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KafkaConnection } from "#lib/client/kafka-connection.ts";
import { defined } from "#lib/util/assert.ts";

/** The checkout, where `npm start` runs too. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(ROOT, "bin/millrace.ts");
const READY = /^ready kafka=(\S+)/m;

export interface ServeOptions {
  readonly dataDir: string;
  /** Beside `--data-dir` and, unless they name one, `--kafka 127.0.0.1:0`. */
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `millrace serve` as a process of its own. Killed at the end of its scope. */
export class ServeProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  /** Resolves when the process and its pipes have ended. */
  readonly ended: Promise<Ended>;
  #stdout = "";
  #stderr = "";
  #wake: (() => void) | undefined;

  /** Starts it and waits until clients may connect. Fails with what it wrote if it ends before that. */
  static async start(options: ServeOptions): Promise<ServeProcess> {
    const started = ServeProcess.spawn(options);
    try {
      await started.ready();
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  static spawn({ dataDir, args = [], environment = {} }: ServeOptions): ServeProcess {
    const listener = args.includes("--kafka") ? [] : ["--kafka", "127.0.0.1:0"];
    const own = ["--data-dir", dataDir, ...listener, ...args];
    return new ServeProcess([process.execPath, MAIN, "serve", ...own], environment);
  }

  constructor([command = "", ...args]: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const env: NodeJS.ProcessEnv = { ...process.env, ...environment };
    this.child = spawn(command, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.#stdout += chunk.toString();
      this.#wake?.();
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
      this.#wake?.();
    });
    this.ended = once(this.child, "close").then(() => {
      this.#wake?.();
      const { exitCode: code, signalCode: signal } = this.child;
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The addresses of the ready line. */
  async ready(): Promise<readonly string[]> {
    const [, addresses = ""] = await this.#seen(() => READY.exec(this.#stdout) ?? undefined);
    return addresses.split(",");
  }

  /** Resolves when the log holds `text`. */
  async logged(text: string): Promise<void> {
    await this.#seen(() => this.#stderr.includes(text) || undefined);
  }

  /** A negotiated connection to a listener, the first unless told. */
  async connect(listener = 0): Promise<KafkaConnection> {
    const address = defined((await this.ready())[listener], "address of the listener");
    const { hostname, port } = new URL(`kafka://${address}`);
    const host = hostname.replace(/^\[|\]$/g, "");
    const connection = await KafkaConnection.open({ host, port: Number(port), clientId: "test" });
    await connection.negotiate();
    return connection;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.child.kill(signal);
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async #seen<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        const { code, signal, stderr } = await this.ended;
        throw new Error(`millrace ended with ${signal ?? code}: ${stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Runs it to its end, which is expected to come before it is ready. */
export async function refusal(options: ServeOptions): Promise<Ended> {
  await using started = ServeProcess.spawn(options);
  return await started.ended;
}

/** A directory that is removed at the end of its scope. */
export class TemporaryDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "millrace-serve-"));

  file(...names: readonly string[]): string {
    return join(this.path, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}
