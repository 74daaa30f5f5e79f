import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { classPathOf, compileJava, FAST_START, javaArguments, provideJava } from "../clients/support/java.ts";

const SOURCES = join(dirname(fileURLToPath(import.meta.url)), "java");
const JVM = [...FAST_START, "-Xmx128m"];

export interface JavaProcessOptions {
  readonly main: string;
  readonly args: readonly string[];
  /** Where its stderr goes. */
  readonly log: string;
  onLine(line: string): void;
}

/** A program of test/chaos/java, which tells by lines what it does and goes on until its input ends. */
export class JavaProcess implements AsyncDisposable {
  /** Its exit status, when all of its lines were taken; -1 if a signal ended it. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  #isRunning = true;

  private constructor(child: ChildProcess, { log, onLine }: JavaProcessOptions) {
    this.#child = child;
    child.stdin?.on("error", () => {}); // The end of the process is what tells.
    if (child.stdout !== null) createInterface({ input: child.stdout }).on("line", onLine);
    child.stderr?.pipe(createWriteStream(log));
    this.ended = new Promise((resolve) => {
      child.once("error", () => resolve(127));
      child.once("close", (code) => resolve(code ?? -1));
    });
    void this.ended.then(() => {
      this.#isRunning = false;
    });
  }

  static async start(options: JavaProcessOptions): Promise<JavaProcess> {
    await provideJava();
    const classes = await compileJava(SOURCES, { name: "chaos/classes", classPath: classPathOf() });
    const jvm = await javaArguments(JVM);
    // The class path is its last argument.
    const before = [...jvm.slice(0, -1), `${classes}:${classPathOf()}`];
    const args = [...before, options.main, ...options.args];
    return new JavaProcess(spawn("java", args, { stdio: ["pipe", "pipe", "pipe"] }), options);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Tells it to come to its end. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}
