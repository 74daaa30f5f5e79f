import { expect, test } from "vitest";
import { PendingBytes } from "#lib/log/pending-bytes.ts";

async function isSettled(promise: Promise<void>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test("who waits is woken when the bytes are below the limit, not before", async () => {
  const pending = new PendingBytes(100);
  for (const byteLength of [60, 50, 40]) pending.add(byteLength);
  const below = pending.whenBelowLimit();
  expect(pending.byteLength).toBe(150);
  pending.remove(50);
  expect(await isSettled(below)).toBe(false);
  pending.remove(40);
  expect(await isSettled(below)).toBe(true);
  expect(await isSettled(pending.whenBelowLimit())).toBe(true);
});

test("exactly the limit is not below it", async () => {
  const pending = new PendingBytes(100);
  pending.add(100);
  expect(await isSettled(pending.whenBelowLimit())).toBe(false);
});

test("empty means that nothing is left, not that no bytes are", async () => {
  const pending = new PendingBytes(100);
  expect(await isSettled(pending.whenEmpty())).toBe(true);
  pending.add(0);
  pending.add(10);
  const empty = pending.whenEmpty();
  pending.remove(10);
  expect(await isSettled(empty)).toBe(false);
  pending.remove(0);
  expect(await isSettled(empty)).toBe(true);
});
