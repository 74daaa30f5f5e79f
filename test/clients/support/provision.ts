import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastLines, run } from "./processes.ts";
import { SkippedError } from "./suite.ts";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
/** What suites fetch by themselves; git knows nothing of it and it may be deleted at any time. */
export const CACHE = join(ROOT, ".cache");

const INSTALL_TIMEOUT_MS = 5 * 60_000;

/** Finds kcat, or installs it from the machine's own package archive if we may. */
export async function provideKcat(): Promise<void> {
  if ((await run("kcat", ["-V"])).code === 0) return;
  if (process.getuid?.() !== 0) throw new SkippedError("no kcat on this machine, and only root can install it");
  if ((await run("apt-get", ["--version"])).code !== 0)
    throw new SkippedError("no kcat and no apt-get on this machine");
  const environment = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"];
  await run("env", [...environment, "update"], { timeoutMs: INSTALL_TIMEOUT_MS });
  const install = [...environment, "install", "-y", "--no-install-recommends", "kcat"];
  const installed = await run("env", install, { timeoutMs: INSTALL_TIMEOUT_MS });
  if (installed.code !== 0) throw new SkippedError(`apt-get cannot install kcat: ${lastLines(installed.stderr)}`);
}

/** Fetches one pinned package into the cache, outside the project's own dependencies. Answers its directory. */
export async function providePackage(name: string, version: string): Promise<string> {
  const prefix = join(CACHE, "npm", `${name}-${version}`);
  const directory = join(prefix, "node_modules", name);
  if (existsSync(join(directory, "package.json"))) return directory;
  mkdirSync(prefix, { recursive: true });
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", prefix, `${name}@${version}`];
  const installed = await run("npm", args, { timeoutMs: INSTALL_TIMEOUT_MS, cwd: prefix });
  if (installed.code !== 0)
    throw new SkippedError(`npm cannot fetch ${name}@${version}: ${lastLines(installed.stderr)}`);
  return directory;
}
