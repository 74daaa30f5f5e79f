import { type ChildProcessByStdio, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { collect, type Finished, lastLines, run } from "../support/processes.ts";
import { ROOT } from "../support/provision.ts";

/** What npm needs to pack; the pack runs on a copy, for it writes into the tree that other tests read. */
const PACKED = ["bin", "lib", "package.json", "tsconfig.json", "tsconfig.package.json", "README.md", "LICENSE"];
const NPM_TIMEOUT_MS = 3 * 60_000;

const manifest: { readonly version: string; readonly devDependencies: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
);

export const PACKAGE_VERSION = manifest.version;

/** An empty project somewhere else on the disk, into which the packed package gets installed. */
export class ConsumerProject implements Disposable {
  readonly #base = mkdtempSync(join(tmpdir(), "millrace-package-"));
  readonly checkout = join(this.#base, "checkout");
  readonly directory = join(this.#base, "project");

  constructor() {
    mkdirSync(this.checkout);
    for (const name of PACKED) cpSync(join(ROOT, name), join(this.checkout, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(this.checkout, "node_modules"));
    mkdirSync(this.directory);
    this.write("package.json", JSON.stringify({ name: "consumer", private: true, type: "module" }));
  }

  [Symbol.dispose](): void {
    rmSync(this.#base, { recursive: true, force: true });
  }

  /** Packs as a maintainer does, scripts included. Answers the tarball's path. */
  async pack(): Promise<string> {
    const args = ["pack", "--json", "--pack-destination", this.#base];
    // The rest of the output is what the scripts print.
    const { stdout } = expectSuccess(await run("npm", args, { cwd: this.checkout, timeoutMs: NPM_TIMEOUT_MS }));
    const packed: readonly { readonly filename: string }[] = JSON.parse(stdout.slice(stdout.indexOf("[")));
    return join(this.#base, packed[0]?.filename ?? "");
  }

  /** Installs a tarball, and packages in the versions that we develop with. Registry answers in npm's cache are used. */
  async install(tarball: string, ...names: readonly string[]): Promise<void> {
    const pinned = names.map((name) => `${name}@${manifest.devDependencies[name]}`);
    const args = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--save-dev", tarball, ...pinned];
    expectSuccess(await this.run("npm", args, NPM_TIMEOUT_MS));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  /** Starts a program in the project, without what npm has put before the PATH for our own scripts. */
  spawn(command: string, args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
    const env = { ...process.env, PATH: foreignPath() };
    return spawn(command, args, { cwd: this.directory, env, stdio: ["ignore", "pipe", "pipe"] });
  }

  run(command: string, args: readonly string[], timeoutMs = 60_000): Promise<Finished> {
    return collect(this.spawn(command, args), timeoutMs);
  }
}

function foreignPath(): string {
  const directories = (process.env["PATH"] ?? "").split(delimiter).filter((each) => !each.includes("node_modules"));
  // A machine may have no Node but ours.
  return [...directories, dirname(process.execPath)].join(delimiter);
}

/** The output of a program that has ended well. */
export function expectSuccess(finished: Finished): Finished {
  if (finished.code === 0) return finished;
  throw new Error(`status ${finished.code}: ${lastLines(finished.stdout)} ${lastLines(finished.stderr)}`);
}
