import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A process of its own that runs a TypeScript file of this folder and is read line by line. */
export class ChildScript implements AsyncDisposable {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #exit: Promise<unknown>;

  constructor(file: string, args: readonly string[]) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.process = spawn(process.execPath, [path, ...args]);
    this.process.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.process.stdout)[Symbol.asyncIterator]();
    this.#exit = once(this.process, "close");
  }

  /** The next line; undefined at the end. */
  async line(): Promise<string | undefined> {
    const next = await this.#lines.next();
    return next.done === true ? undefined : next.value;
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
