import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const LEASH = fileURLToPath(new URL("leash.sh", import.meta.url));

/** Starts a program in a process group of its own that does not outlive this process, not even one that is killed. */
export function spawnLeashed(
  command: readonly string[],
  options: Pick<SpawnOptions, "cwd" | "env"> & { readonly output: "pipe" | "inherit" | number },
): ChildProcess {
  const { output, ...rest } = options;
  return spawn("bash", [LEASH, ...command], { ...rest, stdio: ["pipe", output, output], detached: true });
}

/** Kills the program and everything that it has started. */
export function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}

/** Ends this process when its parent is gone, as when npm is killed; without a parent nobody would end it. */
export function endWithParent(): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, 500);
  timer.unref();
}
