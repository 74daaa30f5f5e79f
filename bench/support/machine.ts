import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { run } from "../../test/clients/support/processes.ts";

// What Linux tells about processes. On other systems the figures are NaN, and the rows that need them say so.

/** Of every Linux system that Node runs on (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = 100;
const SYNC_TIMEOUT_MS = 300_000;

/** CPU seconds that a process and its living descendants have taken, in user and in system mode. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in brackets, which may hold anything; utime is the 14th field.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // utime, stime, and of children that have ended cutime and cstime.
    const own = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / TICKS_PER_SECOND;
    return childrenOf(pid).reduce((sum, child) => sum + cpuSeconds(child), own);
  } catch {
    return Number.NaN;
  }
}

/** CPU seconds that processes which this one has started, and which have ended, have taken. */
export function endedChildrenCpuSeconds(): number {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields.slice(13, 15).reduce((sum, field) => sum + Number(field), 0) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

function childrenOf(pid: number): readonly number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.flatMap((task) => {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim();
    return children === "" ? [] : children.split(" ").map(Number);
  });
}

export interface Residence {
  /** Resident now, and at most so far, in bytes. */
  readonly nowBytes: number;
  readonly peakBytes: number;
}

export function residence(pid: number): Residence {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const bytesOf = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1_024;
    return { nowBytes: bytesOf("VmRSS"), peakBytes: bytesOf("VmHWM") };
  } catch {
    return { nowBytes: Number.NaN, peakBytes: Number.NaN };
  }
}

/** Brings everything written to the disk, so that no measurement pays for the one before it. */
export async function syncDisks(): Promise<void> {
  await run("sync", [], { timeoutMs: SYNC_TIMEOUT_MS });
}

/** Empties the page cache. Answers false where that is not allowed: only root may. */
export async function dropCaches(): Promise<boolean> {
  await syncDisks();
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3\n");
    return true;
  } catch {
    return false;
  }
}

/** One line for the head of a report. */
export function describeMachine(): string {
  const [first] = cpus();
  const gigabytes = Math.round(totalmem() / 1e9);
  return `${cpus().length} x ${first?.model ?? "unknown processor"}, ${gigabytes} GB, ${process.platform} ${release()}, Node ${process.version}`;
}
