import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeDataDirectory } from "#lib/adapters/local/data-directory.ts";

const ROOT = mkdtempSync(join(tmpdir(), "millrace-data-"));
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

test("a data directory is made with those above it, once", () => {
  const path = join(ROOT, "a", "b", "c");
  makeDataDirectory(path);
  makeDataDirectory(`${path}/`);
  expect(statSync(path).isDirectory()).toBe(true);
});

test("a file in its place is an error", () => {
  const path = join(ROOT, "file");
  writeFileSync(path, "");
  expect(() => makeDataDirectory(path)).toThrow("EEXIST");
});

test("a file above it is an error of making, so that the advice fits", () => {
  const path = join(ROOT, "file-above");
  writeFileSync(path, "");
  expect(() => makeDataDirectory(join(path, "a", "b"))).toThrow(expect.objectContaining({ syscall: "mkdir" }));
});

test.runIf(process.platform === "linux")("where the system makes no directories it fails at once", () => {
  expect(() => makeDataDirectory("/proc/nope/data")).toThrow(expect.objectContaining({ syscall: "mkdir" }));
});
