import { expect, test } from "vitest";
import { functionEnvironment, parseFunctionSettings } from "#lib/config/function-settings.ts";
import { SettingsError } from "#lib/config/serve-settings.ts";
import { KIB } from "#lib/util/limits.ts";

const MINIMUM = { MILLRACE_STORES: "s3://records", MILLRACE_TABLE: "journals" };

test("what a deployment writes is what a function reads", () => {
  const written = {
    stores: ["s3://records-a", "s3://records-b/prefix", "s3://records-c"],
    table: "journals",
    auth: "none",
    lingerMs: 20,
    inlineBytesMax: 0,
    tailCacheBytesMax: 1_024,
    blockCacheBytesMax: 33_554_432,
    journalPollMs: 50,
    ipAllow: ["203.0.113.0/24", "::1"],
    ipDeny: [],
    corsOrigins: ["https://example.com"],
    logLevel: "debug",
  } as const;
  const { stores, ...read } = parseFunctionSettings(functionEnvironment(written));
  expect({ ...read, stores: stores.map(({ bucket, prefix }) => [bucket, prefix]) }).toEqual({
    ...written,
    stores: [
      ["records-a", ""],
      ["records-b", "prefix"],
      ["records-c", ""],
    ],
  });
});

test("calls need a key unless the deployment says otherwise", () => {
  expect(parseFunctionSettings(MINIMUM).auth).toBe("keys");
});

test("a function never lets a produce wait for others, for each has a process of its own", () => {
  expect(parseFunctionSettings(MINIMUM).lingerMs).toBe(0);
});

test("the more copies of an object a record saves, the larger it may be, up to 8 KiB", () => {
  const inlineBytes = (stores: string) => parseFunctionSettings({ ...MINIMUM, MILLRACE_STORES: stores }).inlineBytesMax;
  expect(inlineBytes("s3://aaa")).toBe(4 * KIB);
  expect(inlineBytes("s3://aaa,s3://bbb")).toBe(8 * KIB);
  expect(inlineBytes("s3://aaa, s3://bbb, s3://ccc")).toBe(8 * KIB);
});

test.each([
  [{}, "MILLRACE_STORES is not set"],
  [{ ...MINIMUM, MILLRACE_STORES: "records" }, "MILLRACE_STORES"],
  [{ ...MINIMUM, MILLRACE_TABLE: "" }, "MILLRACE_TABLE"],
  [{ ...MINIMUM, MILLRACE_AUTH: "off" }, "MILLRACE_AUTH"],
  [{ ...MINIMUM, MILLRACE_LINGER_MS: "10s" }, "MILLRACE_LINGER_MS"],
  [{ ...MINIMUM, MILLRACE_INLINE_BYTES: "1000000" }, "MILLRACE_INLINE_BYTES"],
  // 0 says that nobody else writes, and there are always others.
  [{ ...MINIMUM, MILLRACE_JOURNAL_POLL_MS: "0" }, "MILLRACE_JOURNAL_POLL_MS"],
  [{ ...MINIMUM, MILLRACE_IP_ALLOW: "10.0.0.0/8,10.0.0.0/33" }, "MILLRACE_IP_ALLOW"],
  [{ ...MINIMUM, MILLRACE_IP_DENY: "everybody" }, "MILLRACE_IP_DENY"],
  [{ ...MINIMUM, MILLRACE_HTTP_CORS_ORIGIN: "example.com" }, "MILLRACE_HTTP_CORS_ORIGIN"],
])("%j is refused by the variable's name", (environment, name) => {
  expect(() => parseFunctionSettings(environment)).toThrow(SettingsError);
  expect(() => parseFunctionSettings(environment)).toThrow(name);
});
