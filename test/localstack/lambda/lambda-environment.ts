import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type Outcome, RuntimeApi } from "./runtime-api.ts";

export interface LambdaEnvironmentOptions {
  /** The runtime client's command line before the handler's name: `runtimeClientCommand()`. */
  readonly command: readonly string[];
  /** The folder that AWS would unpack the function into. */
  readonly directory: string;
  /** `file.export`, such as `index.handler`. */
  readonly handler: string;
  readonly name?: string;
  readonly timeoutMs?: number;
  readonly memoryMb?: number;
  /** The function's own variables. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Stops the process whenever it waits for work, as Lambda does: timers and sockets stand still between two calls. */
  readonly isFrozenWhenIdle?: boolean;
}

export interface InvokeOptions {
  /** Sees the body of a streamed answer as it comes. */
  readonly onChunk?: (chunk: Buffer) => void;
}

interface Call extends InvokeOptions {
  readonly id: string;
  readonly event: unknown;
  readonly resolve: (outcome: Outcome) => void;
}

const TIMEOUT_MS = 10_000;
const REGION = "us-east-1";

/**
 * One execution environment of a function: a process that runs the handler under AWS's own runtime client, as Lambda
 * runs it. The first call finds it cold, later ones warm, one at a time; a time-out or an exit ends the process, and the
 * next call starts another. It can be frozen at any time, in the middle of a call too.
 */
export class LambdaEnvironment implements AsyncDisposable {
  readonly #options: LambdaEnvironmentOptions;
  readonly #queue: Call[] = [];
  #starting: Promise<RuntimeApi> | undefined;
  #api: RuntimeApi | undefined;
  #process: ChildProcess | undefined;
  #current: Call | undefined;
  #deadline: Deadline | undefined;
  #initFailure: Outcome | undefined;
  #spawnedAtMs = 0;
  #isFrozen = false;
  #isDisposed = false;
  /** What the processes have printed. */
  log = "";
  /** How many processes this environment has needed. */
  coldStarts = 0;
  /** From the last process's start until it asked for work for the first time. */
  initMs: number | undefined;

  constructor(options: LambdaEnvironmentOptions) {
    this.#options = options;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  /** Starts the process before any call, as provisioned concurrency does. */
  async warmUp(): Promise<void> {
    await this.#ensureProcess();
    while (this.#api?.isAskedForWork !== true) {
      if (this.#process === undefined) throw new Error(`the function does not start: ${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Errors of the function are outcomes, not exceptions. */
  async invoke(event: unknown, options: InvokeOptions = {}): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#queue.push({ id: randomUUID(), event, resolve, ...options });
    await this.#ensureProcess();
    this.#assign();
    return await promise;
  }

  /** The host takes the processor away. Time goes on outside; the call's own deadline waits. */
  freeze(): void {
    if (this.#process === undefined || this.#isFrozen) return;
    this.#process.kill("SIGSTOP");
    this.#isFrozen = true;
    this.#deadline?.pause();
  }

  thaw(): void {
    if (this.#process === undefined || !this.#isFrozen) return;
    this.#process.kill("SIGCONT");
    this.#isFrozen = false;
    this.#deadline?.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    const child = this.#process;
    if (child !== undefined) {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }
    await (await this.#starting)?.[Symbol.asyncDispose]();
  }

  async #ensureProcess(): Promise<void> {
    this.#starting ??= this.#startApi();
    const { address } = await this.#starting;
    if (this.#process === undefined && !this.#isDisposed) this.#spawn(address);
  }

  async #startApi(): Promise<RuntimeApi> {
    this.#api = await RuntimeApi.start({
      onReady: () => this.#onReady(),
      onChunk: (id, chunk) => {
        if (this.#current?.id === id) this.#current.onChunk?.(chunk);
      },
      onOutcome: (id, outcome) => {
        if (this.#current?.id === id) this.#finish(outcome);
      },
      onInitError: (failure) => {
        this.#initFailure = failure;
      },
    });
    return this.#api;
  }

  #spawn(runtimeApi: string): void {
    const { command, directory, handler } = this.#options;
    const [program = "", ...args] = command;
    this.coldStarts += 1;
    this.#isFrozen = false;
    this.#initFailure = undefined;
    this.initMs = undefined;
    this.#spawnedAtMs = performance.now();
    const child = spawn(program, [...args, handler], {
      cwd: directory,
      env: this.#variables(runtimeApi),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding("utf8").on("data", (text: string) => {
        this.log += text;
      });
    }
    child.once("error", (error) => {
      this.log += `${error.message}\n`;
    });
    child.once("close", (code, signal) => this.#onExit(signal ?? String(code)));
  }

  #variables(runtimeApi: string): Record<string, string> {
    const { name = "function", memoryMb = 1024, directory, handler, environment } = this.#options;
    return {
      PATH: process.env["PATH"] ?? "",
      HOME: "/tmp",
      LANG: "en_US.UTF-8",
      TZ: ":UTC",
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
      AWS_LAMBDA_RUNTIME_API: runtimeApi,
      AWS_LAMBDA_FUNCTION_NAME: name,
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: "local",
      LAMBDA_TASK_ROOT: directory,
      _HANDLER: handler,
      ...environment,
    };
  }

  #onReady(): void {
    this.initMs ??= performance.now() - this.#spawnedAtMs;
    if (this.#queue.length > 0) this.#assign();
    else if (this.#options.isFrozenWhenIdle === true) this.freeze();
  }

  #assign(): void {
    if (this.#api?.isAskedForWork !== true) return;
    const call = this.#queue.shift();
    if (call === undefined) return;
    const { timeoutMs = TIMEOUT_MS, name = "function" } = this.#options;
    this.#current = call;
    this.#deadline = new Deadline(timeoutMs, () => {
      const seconds = (timeoutMs / 1_000).toFixed(2);
      this.#finish({
        kind: "failed",
        errorType: "Sandbox.Timedout",
        errorMessage: `Task timed out after ${seconds} seconds`,
      });
      this.#process?.kill("SIGKILL");
    });
    this.#api.give({
      id: call.id,
      event: call.event,
      deadlineMs: Date.now() + timeoutMs,
      functionArn: `arn:aws:lambda:${REGION}:000000000000:function:${name}`,
    });
    if (this.#options.isFrozenWhenIdle === true) this.thaw();
  }

  #finish(outcome: Outcome): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    const call = this.#current;
    this.#current = undefined;
    call?.resolve(outcome);
  }

  #onExit(how: string): void {
    this.#process = undefined;
    this.#isFrozen = false;
    this.#api?.forget();
    const exited: Outcome = { kind: "failed", errorType: "Runtime.ExitError", errorMessage: `Runtime exited: ${how}` };
    // A process that never asked for work fails the call that it was started for.
    if (this.#current === undefined && this.initMs === undefined) this.#current = this.#queue.shift();
    this.#finish(this.#initFailure ?? exited);
    if (this.#isDisposed) for (const call of this.#queue.splice(0)) call.resolve(exited);
    if (this.#queue.length > 0) void this.#ensureProcess();
  }
}

/** A timer that can be stopped and goes on with what was left. */
class Deadline {
  readonly #onPassed: () => void;
  #leftMs: number;
  #startedAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, onPassed: () => void) {
    this.#leftMs = ms;
    this.#onPassed = onPassed;
    this.resume();
  }

  pause(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#leftMs -= performance.now() - this.#startedAtMs;
  }

  resume(): void {
    if (this.#timer !== undefined) return;
    this.#startedAtMs = performance.now();
    this.#timer = setTimeout(this.#onPassed, Math.max(0, this.#leftMs));
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}
