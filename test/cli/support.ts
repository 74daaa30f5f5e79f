import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../bin/millrace.ts", import.meta.url));

/** Compiled code is kept between the many processes: each starts in half the time. */
const ENVIRONMENT = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "millrace-compile-cache") };

/** What a start of the program with its work may take on a slow machine that does other things as well; in ms. */
const PROGRAM_MS_MAX = 5_000;

/** Time for a test that starts the program so many times. */
export function timeFor(programs: number): { readonly timeout: number } {
  return { timeout: 20_000 + programs * PROGRAM_MS_MAX };
}

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A broker and its CLI, each in a process of its own. */
export class TestCluster implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "millrace-cli-"));
  readonly dataDir = join(this.folder, "data");
  #broker: ChildProcess | undefined;
  /** 0 until the first start has taken a free one. */
  #port = 0;
  readonly #args: readonly string[];
  /** Where the HTTP door is, the first one if there are several, once started; empty without one. */
  http = "";

  /** `args` go to `millrace serve`. */
  constructor(args: readonly string[] = []) {
    this.#args = args;
  }

  async start(): Promise<void> {
    const args = [
      MAIN,
      "serve",
      "--data-dir",
      this.dataDir,
      "--kafka",
      `127.0.0.1:${this.#port}`,
      "--log-level",
      "error",
      ...this.#args,
    ];
    const broker = spawn(process.execPath, args, { env: ENVIRONMENT, stdio: ["ignore", "pipe", "inherit"] });
    this.#broker = broker;
    await new Promise<void>((resolve, reject) => {
      let seen = "";
      broker.stdout.on("data", (chunk: Buffer) => {
        seen += chunk.toString();
        const ready = /ready kafka=127\.0\.0\.1:(\d+)\S*(?: http=([^\s,]+)\S*)?\n/.exec(seen);
        if (ready === null) return;
        this.#port = Number(ready[1]);
        this.http = ready[2] ?? "";
        resolve();
      });
      broker.once("exit", (code) => reject(new Error(`the broker ended with ${code}`)));
    });
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const broker = this.#broker;
    this.#broker = undefined;
    if (broker === undefined || broker.exitCode !== null) return;
    const exited = new Promise((resolve) => broker.once("exit", resolve));
    broker.kill(signal);
    await exited;
  }

  /** Runs `millrace ARGS` to its end. */
  run(args: readonly string[], input: string | Uint8Array = ""): Promise<Ran> {
    const child = this.spawn(args);
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    return this.outcome(child);
  }

  /** What a process has said by its end. */
  outcome(child: ChildProcess): Promise<Ran> {
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk.toString("latin1");
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ status: code ?? -1, stdout, stderr }));
    });
  }

  spawn(args: readonly string[]): ChildProcess {
    const env = { ...ENVIRONMENT, MILLRACE_BOOTSTRAP_SERVER: `127.0.0.1:${this.#port}` };
    return spawn(process.execPath, [MAIN, ...args], { env, stdio: "pipe" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
