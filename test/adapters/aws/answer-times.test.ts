import { expect, test } from "vitest";
import { parseSigningDate, ServiceDates } from "#lib/adapters/aws/answer-times.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const START_MS = Date.UTC(2026, 10, 21, 18, 19, 0);

function exchange(serviceMs: number) {
  const dateMs = Math.floor(serviceMs / 1_000) * 1_000;
  return { signedAtMs: undefined, dateMs, bytesSent: 0, bytesReceived: 0 };
}

test("dates in whole seconds become times that do not go back and come near the service's own", async () => {
  const clock = new ManualClock();
  const dates = new ServiceDates(clock);
  let servedMs = 0;
  let farthestMs = 0;
  for (let passedMs = 0; passedMs < 10_000; passedMs += 130) {
    const trueMs = START_MS + 777 + passedMs;
    const { servedAtMs } = dates.times(exchange(trueMs));
    expect(servedAtMs).toBeGreaterThanOrEqual(servedMs);
    expect(servedAtMs).toBeLessThanOrEqual(trueMs);
    if (passedMs > 2_000) farthestMs = Math.max(farthestMs, trueMs - servedAtMs);
    servedMs = servedAtMs;
    await clock.advance(130);
  }
  expect(farthestMs).toBeLessThan(131);
});

test("an answer that waited in a frozen process is not taken for a newer one", async () => {
  const clock = new ManualClock();
  const dates = new ServiceDates(clock);
  dates.times(exchange(START_MS));
  await clock.advance(3_600_000);
  expect(dates.times(exchange(START_MS + 1_000)).servedAtMs).toBe(START_MS + 1_999);
  expect(dates.times(exchange(START_MS + 2_000)).servedAtMs).toBe(START_MS + 2_000);
});

test("a signing date is read as it stands in requests", () => {
  expect(parseSigningDate("20261121T181900Z")).toBe(START_MS);
  expect(parseSigningDate("2026-11-21T18:19:00Z")).toBeUndefined();
  expect(parseSigningDate(undefined)).toBeUndefined();
});
