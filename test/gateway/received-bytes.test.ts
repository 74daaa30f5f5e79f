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

test("above the limit one reader goes on and the others wait for their turn", () => {
  const received = new ReceivedBytes(100);
  const [a, b, c] = [new Reader(), new Reader(), new Reader()];
  received.received(a, 60);
  received.received(b, 60);
  received.received(c, 10);
  received.received(a, 10);
  expect([a, b, c].map(({ isPaused }) => isPaused)).toEqual([true, false, true]);
  received.finished(b);
  expect([a, b, c].map(({ isPaused }) => isPaused)).toEqual([true, false, false]);
});

test("everybody goes on when the total is below the limit again", () => {
  const received = new ReceivedBytes(100);
  const [a, b, c] = [new Reader(), new Reader(), new Reader()];
  received.received(a, 90);
  received.received(b, 20);
  received.received(c, 20);
  expect(c.isPaused).toBe(true);
  received.released(60);
  expect([a, b, c].map(({ isPaused }) => isPaused)).toEqual([false, false, false]);
  expect(received.bytes).toBe(70);
});

test("a reader that is gone gives its turn to the next", () => {
  const received = new ReceivedBytes(10);
  const [a, b] = [new Reader(), new Reader()];
  received.received(a, 20);
  received.received(b, 20);
  expect(b.isPaused).toBe(true);
  received.finished(a);
  expect(b.isPaused).toBe(false);
});
