import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LockedError, LockFileError, ProcessLock } from "#lib/adapters/local/process-lock.ts";
import { ChildScript } from "./children.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-lock-"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("ProcessLock", () => {
  test("a second process is refused and told who holds it; a restart after kill -9 gets it at once", async () => {
    await using holder = new ChildScript("lock-child.ts", [directory, "1"]);
    expect(await holder.line()).toBe("locked");
    const { pid } = holder.process;
    const error = caught(() => ProcessLock.acquire(directory, 1));
    expect(error).toBeInstanceOf(LockedError);
    expect(error).toMatchObject({ pid, message: expect.stringContaining(`held by process ${pid}`) });
    await holder.kill();
    using lock = ProcessLock.acquire(directory, 1);
    expect(lock.path).toBe(join(directory, "broker-1.lock"));
    await using late = new ChildScript("lock-child.ts", [directory, "1"]);
    expect(await late.line()).toContain(`LockedError: ${lock.path} is held by process ${process.pid}`);
  });

  test("a process that gives the lock up lives on without it", async () => {
    await using holder = new ChildScript("lock-child.ts", [directory, "1"]);
    expect(await holder.line()).toBe("locked");
    holder.process.stdin.write("release\n");
    expect(await holder.line()).toBe("released");
    using _lock = ProcessLock.acquire(directory, 1);
  });

  test("tells others whether its holder is dead, and takes nothing for a proof that is none", async () => {
    expect(ProcessLock.isFree(directory, 1)).toBe(false);
    await using holder = new ChildScript("lock-child.ts", [directory, "1"]);
    expect(await holder.line()).toBe("locked");
    expect(ProcessLock.isFree(directory, 1)).toBe(false);
    holder.process.kill("SIGSTOP");
    expect(ProcessLock.isFree(directory, 1)).toBe(false);
    await holder.kill();
    expect(ProcessLock.isFree(directory, 1)).toBe(true);
    expect((await readdir(directory)).sort()).toEqual(["broker-1.lock", "broker-1.pid"]);
    await rm(join(directory, "broker-1.lock"));
    await mkdir(join(directory, "broker-1.lock"));
    expect(ProcessLock.isFree(directory, 1)).toBe(false);
  });

  test("is given to whoever comes while others look", async () => {
    ProcessLock.acquire(directory, 1)[Symbol.dispose]();
    await using looker = new ChildScript("look-child.ts", [directory, "1"]);
    expect(await looker.line()).toBe("looking");
    for (let round = 0; round < 300; round++) ProcessLock.acquire(directory, 1)[Symbol.dispose]();
  });

  test("other broker ids and other directories are free", async () => {
    using _first = ProcessLock.acquire(directory, 1);
    using _second = ProcessLock.acquire(directory, 2);
    using _third = ProcessLock.acquire(join(directory, "made", "on", "the", "way"), 1);
  });

  test("one process cannot take it twice, and can again after giving it up", () => {
    const lock = ProcessLock.acquire(directory, 1);
    expect(caught(() => ProcessLock.acquire(directory, 1))).toBeInstanceOf(LockedError);
    lock[Symbol.dispose]();
    lock[Symbol.dispose]();
    using _again = ProcessLock.acquire(directory, 1);
  });

  test("leaves nothing but its empty file", async () => {
    {
      using _lock = ProcessLock.acquire(directory, 1);
      expect((await readdir(directory)).sort()).toEqual(["broker-1.lock", "broker-1.pid"]);
    }
    expect(await readdir(directory)).toEqual(["broker-1.lock"]);
  });

  test("a directory that cannot be made is an error of its own", async () => {
    const file = join(directory, "file");
    await writeFile(file, "x");
    expect(caught(() => ProcessLock.acquire(file, 1))).toBeInstanceOf(LockFileError);
  });
});
