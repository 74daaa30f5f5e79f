import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { killGroup, spawnLeashed } from "./leashed.ts";

const directory = mkdtempSync(join(tmpdir(), "millrace-leash-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A program that starts another one, writes down the ids of both, and stays. */
const family = (file: string): readonly string[] => ["bash", "-c", `sleep 60 & echo $$ $! > '${file}'; wait`];

async function pidsIn(file: string): Promise<readonly number[]> {
  for (;;) {
    try {
      const pids = readFileSync(file, "utf8").trim().split(" ").map(Number);
      if (pids.length === 2) return pids;
    } catch {
      // Not written yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 10));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A dead one may wait for whoever adopts orphans.
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

test("the status of the program is the status of the leash", async () => {
  const child = spawnLeashed(["bash", "-c", "exit 7"], { output: "pipe" });
  expect(await once(child, "exit")).toEqual([7, null]);
});

test("what the program has started ends with it when the group is killed", async () => {
  const file = join(directory, "killed");
  const child = spawnLeashed(family(file), { output: "pipe" });
  const pids = await pidsIn(file);
  killGroup(child);
  await once(child, "exit");
  await untilGone(pids);
});

test("a process that is killed leaves nothing of what it has started behind", async () => {
  const file = join(directory, "orphans");
  const code = `import { spawnLeashed } from "${new URL("leashed.ts", import.meta.url).href}";
    spawnLeashed(${JSON.stringify(family(file))}, { output: "pipe" });`;
  const parent = spawn(process.execPath, ["--input-type=module", "--eval", code]);
  const pids = await pidsIn(file);
  parent.kill("SIGKILL");
  await untilGone(pids);
});
