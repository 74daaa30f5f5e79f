import { expect, test } from "vitest";
import { TimeLimitError } from "#lib/runtime/deadline.ts";
import { SharedTimeLimits } from "#lib/runtime/shared-time-limits.ts";
import { ManualClock } from "../support/manual-clock.ts";

test("calls that begin shortly after each other share a signal, later ones and those of others do not", async () => {
  const clock = new ManualClock();
  const limits = new SharedTimeLimits(clock, 1_000);
  const [parent, other] = [new AbortController().signal, new AbortController().signal];
  using first = limits.enter(parent);
  await clock.advance(49);
  using second = limits.enter(parent);
  using foreign = limits.enter(other);
  await clock.advance(1);
  using third = limits.enter(parent);
  expect([second.signal === first.signal, foreign.signal === first.signal, third.signal === first.signal]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a call gets its whole time, and not much more", async () => {
  const clock = new ManualClock();
  const limits = new SharedTimeLimits(clock, 1_000);
  const parent = new AbortController().signal;
  using first = limits.enter(parent);
  await clock.advance(49);
  using second = limits.enter(parent);
  await clock.advance(1_000);
  expect(second.signal.aborted).toBe(false);
  await clock.advance(1);
  expect([first.signal.reason, second.signal.reason]).toEqual([expect.any(TimeLimitError), expect.any(TimeLimitError)]);
  using next = limits.enter(parent);
  expect(next.signal.aborted).toBe(false);
});

test("aborts with its parent, even one that has aborted already", () => {
  const limits = new SharedTimeLimits(new ManualClock(), 1_000);
  const parent = new AbortController();
  using limit = limits.enter(parent.signal);
  parent.abort(new Error("closed"));
  using late = limits.enter(parent.signal);
  expect([limit.signal.reason, late.signal.reason]).toEqual([parent.signal.reason, parent.signal.reason]);
  const gone = new AbortController();
  gone.abort(new Error("gone"));
  using after = limits.enter(gone.signal);
  expect(after.signal.reason).toBe(gone.signal.reason);
});

test("leaves no timer behind: the last one ends when its time is over, earlier ones with their last call", async () => {
  const clock = new ManualClock();
  const limits = new SharedTimeLimits(clock, 1_000);
  const parent = new AbortController().signal;
  const early = limits.enter(parent);
  const alsoEarly = limits.enter(parent);
  await clock.advance(100);
  limits.enter(parent)[Symbol.dispose]();
  expect(clock.timerCount).toBe(2);
  early[Symbol.dispose]();
  expect(clock.timerCount).toBe(2);
  alsoEarly[Symbol.dispose]();
  expect(clock.timerCount).toBe(1);
  await clock.advance(1_050);
  expect(clock.timerCount).toBe(0);
});

test("leaves nothing behind when its parent aborts, or when it is disposed of", () => {
  const clock = new ManualClock();
  const limits = new SharedTimeLimits(clock, 1_000);
  const parent = new AbortController();
  using limit = limits.enter(parent.signal);
  parent.abort(new Error("closed"));
  expect(clock.timerCount).toBe(0);
  using other = limits.enter(new AbortController().signal);
  limits[Symbol.dispose]();
  expect([clock.timerCount, other.signal.aborted, limit.signal.aborted]).toEqual([0, false, true]);
});

test("those of parents that call once go as soon as later ones begin, and not only when their time is over", async () => {
  const clock = new ManualClock();
  const limits = new SharedTimeLimits(clock, 1_000);
  const busy = limits.enter(new AbortController().signal);
  for (let count = 0; count < 100; count++) limits.enter(new AbortController().signal)[Symbol.dispose]();
  await clock.advance(50);
  using late = limits.enter(new AbortController().signal);
  expect(clock.timerCount).toBe(2);
  busy[Symbol.dispose]();
  expect(clock.timerCount).toBe(1);
  expect(late.signal.aborted).toBe(false);
});
