import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { spawnLeashed } from "./leashed.ts";

/** Of a program that fails, this many of its last lines are shown. */
const LINES_SHOWN_MAX = 20;

export interface ShellOptions {
  readonly logFile: string;
  readonly cwd: string;
  /** The whole environment of what is run. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Runs programs one after another, keeps what they print in a log, and knows what was printed last. */
export class Shell {
  readonly #options: ShellOptions;
  lastLine = "";

  constructor(options: ShellOptions) {
    this.#options = options;
    mkdirSync(dirname(options.logFile), { recursive: true });
    writeFileSync(options.logFile, "");
  }

  async run(command: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<void> {
    const { code, printed } = await this.#run(command, variables);
    if (code === 0) return;
    const lines = printed.trimEnd().split("\n").slice(-LINES_SHOWN_MAX).join("\n");
    throw new Error(`${command[0]} ended with ${code}; its log is ${this.#options.logFile}:\n${lines}`);
  }

  async succeeds(command: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<boolean> {
    return (await this.#run(command, variables)).code === 0;
  }

  #run(
    command: readonly string[],
    variables: Readonly<Record<string, string>>,
  ): Promise<{ readonly code: number; readonly printed: string }> {
    const { logFile, cwd, environment } = this.#options;
    appendFileSync(logFile, `$ ${command.join(" ")}\n`);
    return new Promise((resolve) => {
      const child = spawnLeashed(command, { cwd, env: { ...environment, ...variables }, output: "pipe" });
      let printed = "";
      const onText = (text: string): void => {
        printed += text;
        appendFileSync(logFile, text);
        const lines = stripVTControlCharacters(text)
          .trim()
          .split(/[\r\n]+/);
        this.lastLine = lines.at(-1) || this.lastLine;
      };
      for (const output of [child.stdout, child.stderr]) output?.setEncoding("utf8").on("data", onText);
      child.once("error", (error) => onText(`${error.message}\n`));
      child.once("close", (code) => resolve({ code: code ?? -1, printed }));
    });
  }
}
