import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HOME, PARTS, type PartName } from "../paths.ts";
import { Shell } from "../shell.ts";
import { withLock } from "./lock.ts";
import { INSTALLABLE, isProven } from "./parts.ts";
import { faultsOf } from "./tools.ts";

/** What LocalStack with functions needs. */
export const LOCALSTACK_PARTS: readonly PartName[] = ["localstack", "dynamodb-local", "runtime-client"];
export const ALL_PARTS: readonly PartName[] = [...LOCALSTACK_PARTS, "ministack", "versitygw"];

const PROGRESS_EVERY_MS = 10_000;

/**
 * Installs what is not there yet into `.cache/localstack`, several parts at once, and prints how it goes. A part counts
 * only when it is complete: one that was interrupted is done again, from the caches of its package client. Fails with a
 * sentence for each tool that is missing or too old, before anything is fetched.
 */
export async function install(names: readonly PartName[], print: (line: string) => void = console.log): Promise<void> {
  if (names.every(isInstalled)) return;
  mkdirSync(HOME, { recursive: true });
  const onWait = (pid: number): void => print(`install: process ${pid} is installing too; waiting for it`);
  await withLock(join(HOME, "install.lock"), onWait, async () => {
    const missing = names.filter((name) => !isInstalled(name));
    const faults = await faultsOf([...new Set(missing.flatMap((name) => INSTALLABLE[name].tools))]);
    if (faults.length > 0) throw new Error(`this machine lacks what the installation needs:\n  ${faults.join("\n  ")}`);
    const results = await Promise.allSettled(missing.map((name) => installPart(name, print)));
    const failures = results.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
    if (failures.length > 0) throw new Error(failures.join("\n"));
  });
}

async function installPart(name: PartName, print: (line: string) => void): Promise<void> {
  const part = INSTALLABLE[name];
  const directory = PARTS[name];
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  // Away from the project, whose own settings for npm and the like are not meant for this.
  const shell = new Shell({ logFile: join(HOME, `install-${name}.log`), cwd: directory, environment: process.env });
  const startedAtMs = performance.now();
  const seconds = (): string => `${((performance.now() - startedAtMs) / 1_000).toFixed(0)} s`;
  print(`install ${name}: ${part.what}`);
  const tell = (): void => print(`install ${name}: ${seconds()}, ${shell.lastLine.slice(0, 90) || "no word yet"}`);
  const ticker = setInterval(tell, PROGRESS_EVERY_MS);
  await part.install(shell, directory).finally(() => clearInterval(ticker));
  if (!isProven(name)) throw new Error(`install ${name}: it ended well, but there is no ${part.proof} in ${directory}`);
  writeFileSync(join(directory, "installed"), stampOf(name));
  print(`install ${name}: done in ${seconds()}`);
}

function isInstalled(name: PartName): boolean {
  try {
    return readFileSync(join(PARTS[name], "installed"), "utf8") === stampOf(name);
  } catch {
    return false;
  }
}

/** Another version, another constraint or another place of the checkout, for Python's scripts hold paths, is another stamp. */
function stampOf(name: PartName): string {
  const { versions, files } = INSTALLABLE[name];
  const hash = createHash("sha256").update(JSON.stringify([PARTS[name], ...versions]));
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex");
}
