import { type ChildProcess, spawn } from "node:child_process";

export interface Finished {
  /** -1 if a signal or the time limit ended the process. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

const RUN_TIMEOUT_MS = 60_000;

/** Runs a program to its end and collects what it prints. A missing program is an ordinary failure with code 127. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
  });
  const finished = collect(child, options.timeoutMs ?? RUN_TIMEOUT_MS);
  child.stdin.on("error", () => {}); // A program that ends early closes its input; its exit status tells.
  child.stdin.end(options.input ?? "");
  return finished;
}

/** The output and end of a process that is already running. */
export function collect(child: ChildProcess, timeoutMs: number): Promise<Finished> {
  return new Promise((resolve) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
    const timer = setTimeout(() => {
      stderr.push(Buffer.from(`killed after ${timeoutMs} ms\n`));
      child.kill("SIGKILL");
    }, timeoutMs);
    const finish = (code: number): void => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    };
    child.once("error", (error) => {
      stderr.push(Buffer.from(`${error.message}\n`));
      finish(127);
    });
    child.once("close", (code) => finish(code ?? -1));
  });
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The end of a long text, for a message of one line. */
export function lastLines(text: string, count = 6): string {
  return text.trim().split("\n").slice(-count).join(" | ").slice(-900);
}
