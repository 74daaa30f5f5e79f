import { describe, expect, test } from "vitest";
import { abortable, TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("a time limit", () => {
  test("aborts when its time is over", async () => {
    const clock = new ManualClock();
    using limit = timeLimit(clock, 100);
    await clock.advance(99);
    expect(limit.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(limit.signal.reason).toBeInstanceOf(TimeLimitError);
  });

  test("aborts with its parent, even one that has aborted already", () => {
    const clock = new ManualClock();
    const reason = new Error("closed");
    const parent = new AbortController();
    using limit = timeLimit(clock, 100, parent.signal);
    parent.abort(reason);
    expect(limit.signal.reason).toBe(reason);
    using late = timeLimit(clock, 100, parent.signal);
    expect(late.signal.reason).toBe(reason);
  });

  test("leaves neither timer nor listener behind when it is disposed of", async () => {
    const clock = new ManualClock();
    const parent = new AbortController();
    const limit = timeLimit(clock, 100, parent.signal);
    limit[Symbol.dispose]();
    expect(clock.timerCount).toBe(0);
    parent.abort();
    await clock.advance(200);
    expect(limit.signal.aborted).toBe(false);
  });
});

describe("abortable work", () => {
  test("settles as the work does", async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(5), signal)).toBe(5);
    await expect(abortable(Promise.reject(new Error("failed")), signal)).rejects.toThrow("failed");
  });

  test("rejects with the signal's reason while the work goes on", async () => {
    const controller = new AbortController();
    const waiting = abortable(new Promise(() => undefined), controller.signal);
    controller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    await expect(abortable(new Promise(() => undefined), controller.signal)).rejects.toThrow("gone");
  });

  test("a failure after the abort is nobody's", async () => {
    const controller = new AbortController();
    const { promise, reject } = Promise.withResolvers<number>();
    const waiting = abortable(promise, controller.signal);
    controller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    reject(new Error("late"));
    await new ManualClock().endOfTurn();
  });
});
