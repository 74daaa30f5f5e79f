import { expect, test } from "vitest";
import { type PausableReader, ReceivedBytes } from "#lib/gateway/received-bytes.ts";

class Reader implements PausableReader {
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

const paused = (...readers: readonly Reader[]): readonly boolean[] => readers.map(({ isPaused }) => isPaused);

test("above the limit nobody brings more while a whole frame waits for its answer", () => {
  const received = new ReceivedBytes(100);
  const [a, b] = [new Reader(), new Reader()];
  received.received(a, 90, 1);
  received.received(b, 20, 0);
  received.received(a, 20, 1);
  expect(paused(a, b)).toEqual([true, true]);
  received.released(60, 1);
  expect(paused(a, b)).toEqual([false, false]);
  expect(received.bytes).toBe(70);
});

test("where all are in the middle of a frame one goes on, to the end of it", () => {
  const received = new ReceivedBytes(100);
  const [a, b, c] = [new Reader(), new Reader(), new Reader()];
  received.received(a, 60, 0);
  received.received(b, 60, 0);
  received.received(c, 10, 0);
  received.received(a, 10, 0);
  expect(paused(a, b, c)).toEqual([true, false, true]);
  received.received(b, 30, 0);
  expect(paused(b)).toEqual([false]);
  received.received(b, 30, 1);
  expect(paused(a, b, c)).toEqual([true, true, true]);
  // Answered, but the others' parts alone are still too much: the next one's turn.
  received.received(c, 30, 0);
  received.released(60, 1);
  expect(received.bytes).toBe(170);
  expect(paused(a, b, c).filter((isPaused) => !isPaused)).toHaveLength(1);
});

test("a connection that is gone gives its turn to the next", () => {
  const received = new ReceivedBytes(10);
  const [a, b] = [new Reader(), new Reader()];
  received.received(a, 20, 0);
  received.received(b, 20, 0);
  expect(paused(a, b)).toEqual([false, true]);
  received.released(20, 0);
  received.gone(a);
  expect(paused(b)).toEqual([false]);
});
