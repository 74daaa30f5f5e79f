import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { WorkerName } from "#lib/housekeeping/workers/worker.ts";
import { collect } from "../clients/support/processes.ts";
import type { WorkerFault } from "./plan.ts";

/** `undone`: it has ended by itself and says that something is left to be done. `failed`: as no worker is to end. */
export type WorkerEnd = "done" | "undone" | "killed" | "failed";

export interface WorkerResult {
  readonly name: WorkerName;
  readonly end: WorkerEnd;
  /** What it says it has changed; 0 if it was killed. */
  readonly changes: number;
  /** The last of what it printed. */
  readonly text: string;
}

export interface WorkerPlace {
  readonly program: string;
  readonly dataDirectory: string;
  /** Where what they print goes. */
  readonly directory: string;
}

/** One that is not to be killed has to come to its end by then. */
const END_MS_MAX = 90_000;

/** `millrace run NAME --now`. Resolves when the process is gone. */
export async function runWorker({ name, killAfterMs }: WorkerFault, place: WorkerPlace): Promise<WorkerResult> {
  const args = [place.program, "run", name, "--now", "--json", "--data-dir", place.dataDirectory];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let isKilled = false;
  const killing = setTimeout(() => {
    isKilled = child.kill("SIGKILL");
  }, killAfterMs ?? END_MS_MAX);
  const { code, stdout, stderr } = await collect(child, 2 * END_MS_MAX);
  clearTimeout(killing);
  const end = endOf({ code, wasKilled: isKilled && code === -1, isToBeKilled: killAfterMs !== undefined });
  appendFileSync(join(place.directory, "workers.log"), `== ${name}: ${end} (${code})\n${stderr}${stdout}`);
  const changes = Number(/"changes":(\d+)/.exec(stdout)?.[1] ?? 0);
  return { name, end, changes, text: (stderr + stdout).trim().split("\n").slice(-3).join(" | ").slice(-600) };
}

interface ProcessEnd {
  readonly code: number;
  readonly wasKilled: boolean;
  readonly isToBeKilled: boolean;
}

function endOf({ code, wasKilled, isToBeKilled }: ProcessEnd): WorkerEnd {
  if (code === 0) return "done";
  if (wasKilled && isToBeKilled) return "killed";
  return code === 1 ? "undone" : "failed";
}
