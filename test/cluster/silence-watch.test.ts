import { expect, test } from "vitest";
import { SilenceWatch } from "#lib/cluster/silence-watch.ts";

const SESSION_MS = 9_000;
const broker = (brokerId: number, seenSeq: number, brokerEpoch = 1) => ({ brokerId, brokerEpoch, seenSeq });

class Observer {
  readonly watch = new SilenceWatch();
  look(beganMs: number, running: Parameters<SilenceWatch["note"]>[0], tookMs = 0): readonly number[] {
    this.watch.note(running, beganMs + tookMs);
    this.watch.looked({ beganMs, nowMs: beganMs + tookMs, gapMsMax: 4_000 });
    return this.watch.overdue(SESSION_MS).map(({ brokerId }) => brokerId);
  }
}

test("a broker is overdue a session after its last sign of life was seen, each by itself", () => {
  const observer = new Observer();
  for (let ms = 0; ms < 9_000; ms += 3_000) expect(observer.look(ms, [broker(1, 5), broker(2, 6)])).toEqual([]);
  expect(observer.look(8_999, [broker(1, 5), broker(2, 7)])).toEqual([]);
  expect(observer.watch.nextDueMs(SESSION_MS)).toBe(9_000);
  expect(observer.look(9_000, [broker(1, 5), broker(2, 7)])).toEqual([1]);
});

test("another start under the same id is another sign of life", () => {
  const observer = new Observer();
  for (let ms = 0; ms < 9_000; ms += 3_000) observer.look(ms, [broker(1, 5)]);
  expect(observer.look(9_000, [broker(1, 5, 2)])).toEqual([]);
});

test("a look counts from its beginning, and what it shows from its end", () => {
  const observer = new Observer();
  observer.look(0, [broker(1, 5)], 2_000);
  for (const ms of [4_000, 8_000]) observer.look(ms, [broker(1, 5)]);
  expect(observer.look(10_999, [broker(1, 5)], 500)).toEqual([]);
  expect(observer.look(11_000, [broker(1, 5)], 500)).toEqual([1]);
});

test("time without looks counts for nobody", () => {
  const observer = new Observer();
  for (const ms of [0, 4_000, 8_000]) observer.look(ms, [broker(1, 5)]);
  expect(observer.look(12_001, [broker(1, 5)])).toEqual([]);
  for (const ms of [16_000, 20_000]) expect(observer.look(ms, [broker(1, 5)])).toEqual([]);
  expect(observer.look(21_001, [broker(1, 5)])).toEqual([1]);
});

test("a broker that does not run is not watched", () => {
  const observer = new Observer();
  observer.look(0, [broker(1, 5)]);
  observer.look(3_000, []);
  expect(observer.watch.nextDueMs(SESSION_MS)).toBe(Number.POSITIVE_INFINITY);
  for (const ms of [6_000, 9_000, 12_000]) expect(observer.look(ms, [broker(1, 5)])).toEqual([]);
});
