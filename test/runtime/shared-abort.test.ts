import { getMaxListeners } from "node:events";
import { expect, test } from "vitest";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";

test("any number of waits may listen to a shared signal", () => {
  const { signal } = sharedAbortController();
  expect(getMaxListeners(signal)).toBe(0);
});

test("a shared controller aborts like any other", () => {
  const controller = sharedAbortController();
  controller.abort(new Error("enough"));
  expect(() => controller.signal.throwIfAborted()).toThrow("enough");
});
