import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LambdaEnvironment, type LambdaEnvironmentOptions } from "./lambda-environment.ts";
import type { Outcome } from "./runtime-api.ts";

const HANDLERS = `
let calls = 0;
let ticks = 0;
setInterval(() => { ticks += 1; }, 5).unref();
export const plain = async (event) => {
  calls += 1;
  if (event.fail) throw new TypeError("asked to fail");
  if (event.exit) process.exit(3);
  if (event.sleepMs) await new Promise((resolve) => setTimeout(resolve, event.sleepMs));
  console.log("handled", event.name ?? "");
  return { calls, ticks, pid: process.pid, name: event.name, variable: process.env.VARIABLE };
};
`;

export interface Answered {
  readonly calls: number;
  readonly ticks: number;
  readonly pid: number;
  readonly name?: string;
  readonly variable?: string;
}

/** What the handler above answered; fails if it did not. */
export function answered(outcome: Outcome): Answered {
  if (outcome.kind !== "answered") throw new Error(`${outcome.errorType}: ${outcome.errorMessage}`);
  return JSON.parse(outcome.body.toString());
}

/** A folder like an unpacked function, with `index.mjs`. */
export function handlerFolder(source: string): string {
  const directory = mkdtempSync(join(tmpdir(), "millrace-function-"));
  writeFileSync(join(directory, "index.mjs"), source);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** What holds for every client of the Runtime API that runs in a `LambdaEnvironment`. */
export function describeEnvironment(command: () => readonly string[]): void {
  const directory = handlerFolder(HANDLERS);
  const newEnvironment = (options: Partial<LambdaEnvironmentOptions> = {}): LambdaEnvironment =>
    new LambdaEnvironment({ command: command(), directory, handler: "index.plain", ...options });
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  test("the first call finds it cold, the next ones warm", async () => {
    await using environment = newEnvironment({ environment: { VARIABLE: "set" } });
    const first = answered(await environment.invoke({ name: "a" }));
    const second = answered(await environment.invoke({ name: "b" }));
    expect(first).toMatchObject({ calls: 1, name: "a", variable: "set" });
    expect(second).toMatchObject({ calls: 2, name: "b", pid: first.pid });
    expect(environment.coldStarts).toBe(1);
    expect(environment.initMs).toBeGreaterThan(0);
    expect(environment.log).toContain("handled a");
  });

  test("calls wait for one another", async () => {
    await using environment = newEnvironment();
    const outcomes = await Promise.all([1, 2, 3].map((i) => environment.invoke({ name: String(i), sleepMs: 5 })));
    expect(outcomes.map((outcome) => answered(outcome).calls)).toEqual([1, 2, 3]);
  });

  test("warmed up, it has started before its first call", async () => {
    await using environment = newEnvironment();
    await environment.warmUp();
    expect(environment.initMs).toBeGreaterThan(0);
    expect(answered(await environment.invoke({})).calls).toBe(1);
  });

  test("an error is an outcome, and the process goes on", async () => {
    await using environment = newEnvironment();
    expect(await environment.invoke({ fail: true })).toEqual({
      kind: "failed",
      errorType: "TypeError",
      errorMessage: "asked to fail",
    });
    expect(answered(await environment.invoke({})).calls).toBe(2);
    expect(environment.coldStarts).toBe(1);
  });

  test("a time-out ends the process, and the next call finds another", async () => {
    await using environment = newEnvironment({ timeoutMs: 400 });
    expect(await environment.invoke({ sleepMs: 60_000 })).toMatchObject({
      errorType: "Sandbox.Timedout",
      errorMessage: "Task timed out after 0.40 seconds",
    });
    expect(answered(await environment.invoke({})).calls).toBe(1);
    expect(environment.coldStarts).toBe(2);
  });

  test("an exit fails the call under way, and the next call finds another process", async () => {
    await using environment = newEnvironment();
    const [exited, next] = await Promise.all([environment.invoke({ exit: true }), environment.invoke({})]);
    expect(exited).toEqual({ kind: "failed", errorType: "Runtime.ExitError", errorMessage: "Runtime exited: 3" });
    expect(answered(next).calls).toBe(1);
  });

  test("a handler that is not there fails the call with what the client says", async () => {
    await using environment = newEnvironment({ handler: "index.nothing" });
    expect(await environment.invoke({})).toMatchObject({ kind: "failed", errorType: "Runtime.HandlerNotFound" });
  });

  test("frozen in the middle of a call it stands still, and its deadline waits", async () => {
    await using environment = newEnvironment({ timeoutMs: 1_000 });
    await environment.warmUp();
    let isDone = false;
    const call = environment.invoke({ sleepMs: 200 }).finally(() => {
      isDone = true;
    });
    await sleep(50);
    environment.freeze();
    await sleep(1_200);
    expect(isDone).toBe(false);
    environment.thaw();
    expect(answered(await call).calls).toBe(1);
  });

  test("frozen between calls, its timers stand still", async () => {
    await using environment = newEnvironment({ isFrozenWhenIdle: true });
    const { ticks } = answered(await environment.invoke({}));
    while (!environment.isFrozen) await sleep(2);
    await sleep(200);
    const later = answered(await environment.invoke({}));
    expect(later.calls).toBe(2);
    expect(later.ticks - ticks).toBeLessThan(20);
  });
}
