import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { withLock } from "./lock.ts";

const directory = mkdtempSync(join(tmpdir(), "millrace-lock-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("two do not hold it at once", async () => {
  const file = join(directory, "both");
  const events: string[] = [];
  const holders: number[] = [];
  const hold = (name: string): Promise<void> =>
    withLock(
      file,
      (pid) => holders.push(pid),
      async () => {
        events.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 30));
        events.push(`${name} out`);
      },
    );
  await Promise.all([hold("a"), hold("b")]);
  expect(events).toEqual(["a in", "a out", "b in", "b out"]);
  expect(holders).toEqual([process.pid]);
});

test("it is given back when its holder fails", async () => {
  const file = join(directory, "failing");
  const failing = withLock(
    file,
    () => {},
    () => Promise.reject(new Error("no room")),
  );
  await expect(failing).rejects.toThrow("no room");
  expect(existsSync(file)).toBe(false);
});

test("the lock of a process that is gone is nobody's", async () => {
  const file = join(directory, "stale");
  const { pid } = spawnSync("true");
  writeFileSync(file, String(pid));
  let isIn = false;
  await withLock(
    file,
    () => {},
    async () => {
      isIn = true;
    },
  );
  expect(isIn).toBe(true);
});
