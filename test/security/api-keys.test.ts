import { describe, expect, test } from "vitest";
import type { KeyRight } from "#lib/cluster/api-key-state.ts";
import { KeyAdmin } from "#lib/cluster/key-admin.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { type CheckedKey, KeyChecker } from "#lib/security/key-checker.ts";
import { allows, allowsSome } from "#lib/security/key-rights.ts";
import { formatKeyToken, hashSecret, newKeyToken, parseKeyToken } from "#lib/security/key-token.ts";
import { RateLimiter } from "#lib/security/rate-limiter.ts";
import { API_KEY_LOOKUP_SPACING_MS, API_KEY_VIEW_MS_MAX } from "#lib/util/limits.ts";
import { type ClusterProcess, ClusterWorld, NEVER } from "../cluster/cluster-harness.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { SeededRandom } from "../support/seeded-random.ts";

const READ_ALL: KeyRight = { operation: "read", pattern: "*" };

function newKey(fields: { readonly expiresAtMs?: number; readonly rights?: readonly KeyRight[]; seed?: number } = {}) {
  const token = newKeyToken(new SeededRandom(fields.seed ?? 1));
  const rights = fields.rights ?? [READ_ALL];
  const { expiresAtMs } = fields;
  const command = { keyId: token.keyId, secretHash: hashSecret(token.secret), name: "ci", rights, expiresAtMs };
  return { text: formatKeyToken(token), command: { ...command, requestsPerSecond: 0 } };
}

const NOTHING = () => Promise.resolve();
const checkerOf = (world: ClusterWorld, process: ClusterProcess) => new KeyChecker(process.view, world.clock, NEVER);
const kindOf = (checked: CheckedKey) => (checked.kind === "known" ? "known" : checked.reason);

describe("a key", () => {
  test("made by one process opens the door of another at once", async () => {
    const world = new ClusterWorld();
    const [one, other] = [await world.start(), await world.start()];
    const { text, command } = newKey();
    await world.run(new KeyAdmin(one.journal).create(command, NEVER));
    const checked = await world.run(checkerOf(world, other).check(text, NEVER));
    expect(checked).toMatchObject({ kind: "known", key: { keyId: command.keyId, rights: [READ_ALL] } });
  });

  test("with another secret, unknown, malformed or expired is refused", async () => {
    const world = new ClusterWorld();
    const process = await world.start();
    const expiresAtMs = process.journal.nowMs() + 60_000;
    const { text, command } = newKey({ expiresAtMs });
    await world.run(new KeyAdmin(process.journal).create(command, NEVER));
    const checker = checkerOf(world, process);
    const other = newKey({ seed: 2 }).text;
    const forged = text.slice(0, -43) + other.slice(-43);
    expect(kindOf(await world.run(checker.check(text, NEVER)))).toBe("known");
    expect(kindOf(await world.run(checker.check(forged, NEVER)))).toBe("the key is unknown or was deleted");
    expect(kindOf(await world.run(checker.check(other, NEVER)))).toBe("the key is unknown or was deleted");
    expect(kindOf(await world.run(checker.check("secret", NEVER)))).toBe("this is no key: keys begin with mr_");
    await world.clock.advance(60_000);
    expect(kindOf(await world.run(checker.check(text, NEVER)))).toBe("the key has expired");
  });

  test("that is deleted is refused", async () => {
    const world = new ClusterWorld();
    const process = await world.start();
    const keys = new KeyAdmin(process.journal);
    const { text, command } = newKey();
    await world.run(keys.create(command, NEVER));
    expect(await world.run(keys.delete(command.keyId, NEVER))).toMatchObject({ kind: "done" });
    expect(kindOf(await world.run(checkerOf(world, process).check(text, NEVER)))).not.toBe("known");
    expect(await world.run(keys.delete(command.keyId, NEVER))).toMatchObject({ error: ErrorCode.RESOURCE_NOT_FOUND });
  });

  test("that another process deletes is refused within seconds, by one read for all who ask", async () => {
    const world = new ClusterWorld();
    const [one, other] = [await world.start(), await world.start()];
    const keys = new KeyAdmin(one.journal);
    const { text, command } = newKey();
    await world.run(keys.create(command, NEVER));
    const checker = checkerOf(world, other);
    const check = () => world.run(checker.check(text, NEVER));
    expect(kindOf(await check())).toBe("known");
    await world.run(keys.delete(command.keyId, NEVER));
    await world.clock.advance(API_KEY_VIEW_MS_MAX);
    const answers = await world.run(Promise.all([checker.check(text, NEVER), checker.check(text, NEVER)]));
    expect(answers.map(kindOf)).toEqual(Array(2).fill("the key is unknown or was deleted"));
    expect(await world.run(checker.faultOf(command.keyId))).toBe("the key was deleted");
  });

  test("goes on while the journal does not answer, which is asked now and then", async () => {
    const world = new ClusterWorld();
    const process = await world.start();
    const { text, command } = newKey();
    await world.run(new KeyAdmin(process.journal).create(command, NEVER));
    let reads = 0;
    const away = {
      apiKey: (keyId: string) => process.view.apiKey(keyId),
      nowMs: () => process.view.nowMs(),
      refresh: NOTHING,
      asOfMs: Number.NEGATIVE_INFINITY,
      catchUp: async () => {
        reads++;
        throw new Error("the journal does not answer");
      },
    };
    const checker = new KeyChecker(away, world.clock, NEVER);
    for (let at = 0; at < 5; at++) expect(kindOf(await checker.check(text, NEVER))).toBe("known");
    expect(reads).toBe(1);
    await world.clock.advance(API_KEY_VIEW_MS_MAX);
    await checker.check(text, NEVER);
    expect(reads).toBe(2);
  });

  test("that nobody knows costs one strong read a second, however many ask", async () => {
    const world = new ClusterWorld();
    const process = await world.start();
    let reads = 0;
    const counting = {
      apiKey: (keyId: string) => process.view.apiKey(keyId),
      nowMs: () => process.view.nowMs(),
      asOfMs: Number.POSITIVE_INFINITY,
      catchUp: NOTHING,
      refresh: (signal: AbortSignal) => {
        reads++;
        return process.view.refresh(signal);
      },
    };
    const checker = new KeyChecker(counting, world.clock, NEVER);
    const guesses = Array.from({ length: 50 }, (_, n) => checker.check(newKey({ seed: n + 10 }).text, NEVER));
    const startedAtMs = world.clock.monotonicMs();
    await world.run(Promise.all(guesses));
    expect(reads).toBeLessThanOrEqual(2);
    expect(world.clock.monotonicMs() - startedAtMs).toBeLessThanOrEqual(API_KEY_LOOKUP_SPACING_MS);
  });

  test("may exist once, and its faults are named", async () => {
    const world = new ClusterWorld();
    const process = await world.start();
    const keys = new KeyAdmin(process.journal);
    const { command } = newKey();
    await world.run(keys.create(command, NEVER));
    const again = await world.run(keys.create(command, NEVER));
    expect(again).toMatchObject({ error: ErrorCode.DUPLICATE_RESOURCE });
    const faults: readonly [object, string][] = [
      [{ rights: [] }, "A key has 1 to 100 rights."],
      [{ rights: [{ operation: "admin", pattern: "a" }] }, "The right admin has the pattern *."],
      [{ rights: [{ operation: "read", pattern: "a*b" }] }, "An asterisk may only end a pattern: 'a*b'."],
      [{ rights: [{ operation: "read", pattern: "" }] }, "A pattern has 1 to 250 characters."],
      [{ name: "n".repeat(101) }, "A key's name has at most 100 characters."],
      [{ requestsPerSecond: 1.5 }, "Requests a second are a whole number up to 1000000; 0 is no limit."],
      [{ expiresAtMs: 1 }, "The key would have expired already."],
    ];
    for (const [fields, message] of faults) {
      const refused = await world.run(keys.create({ ...command, keyId: "new", ...fields }, NEVER));
      expect(refused).toEqual({ kind: "refused", error: ErrorCode.INVALID_REQUEST, message });
    }
    expect(await world.run(keys.list(NEVER))).toHaveLength(1);
  });
});

describe("the text of a key", () => {
  test("says its id and its secret", () => {
    const token = newKeyToken(new SeededRandom(3));
    expect(parseKeyToken(formatKeyToken(token))).toEqual(token);
  });

  test.each(["", "mr_", "mr_abc_def", `mr_${"A".repeat(16)}_${"a".repeat(43)}`, `x${"a".repeat(62)}`])(
    "%j is none",
    (text) => {
      expect(parseKeyToken(text)).toBeUndefined();
    },
  );
});

test("rights hold for a name, for names with a beginning, or for all", () => {
  const rights: readonly KeyRight[] = [
    { operation: "read", pattern: "orders-*" },
    { operation: "write", pattern: "log" },
  ];
  expect(allows(rights, "read", "orders-eu")).toBe(true);
  expect(allows(rights, "read", "orders")).toBe(false);
  expect(allows(rights, "write", "orders-eu")).toBe(false);
  expect(allows(rights, "write", "log")).toBe(true);
  expect(allows(rights, "write", "logs")).toBe(false);
  expect([allowsSome(rights, "write"), allowsSome(rights, "group")]).toEqual([true, false]);
  expect(allows([{ operation: "admin", pattern: "*" }], "group", "any")).toBe(true);
});

test("a rate lets a second's worth through at once, then as much as its time brings", async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter(clock);
  const take = () => limiter.take("key", 4);
  expect([take(), take(), take(), take()]).toEqual([0, 0, 0, 0]);
  expect(take()).toBe(250);
  expect(limiter.take("other", 4)).toBe(0);
  await clock.advance(250);
  expect([take(), take()]).toEqual([0, 250]);
  await clock.advance(60_000);
  expect(Array.from({ length: 5 }, take)).toEqual([0, 0, 0, 0, 250]);
  expect(limiter.take("free", 0)).toBe(0);
});
