import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fingerprintOf } from "#lib/adapters/local/file-port.ts";
import type { PublishRequest } from "#lib/adapters/local/object-publisher.ts";
import { PublisherThread } from "#lib/adapters/local/publisher-thread.ts";
import { MIB } from "#lib/util/limits.ts";

const signal = new AbortController().signal;
const WRITTEN = { kind: "written" };

class World implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "millrace-publisher-"));
  readonly thread: PublisherThread;
  readonly #fingerprint: string;

  constructor() {
    mkdirSync(join(this.root, "tmp~"));
    writeFileSync(join(this.root, "marker"), "here");
    this.#fingerprint = fingerprintOf(statSync(join(this.root, "marker"), { bigint: true }));
    this.thread = new PublisherThread({
      root: this.root,
      marker: "marker",
      temporaryFolder: "tmp~",
      runPrefix: "broker-0~run~",
    });
  }

  request(key: string, text: string = key): PublishRequest {
    return { key, chunks: [Buffer.from(text)], rootFingerprint: this.#fingerprint, isAgain: false };
  }

  publish(key: string, by = signal) {
    return this.thread.publish(this.request(key), by);
  }

  /** What no caller can say, so that the thread ends in the middle of its work. */
  killThread(): void {
    this.thread.forget(JSON.parse("[1]"));
  }

  holds(key: string): boolean {
    return existsSync(join(this.root, key)) && readFileSync(join(this.root, key), "utf8") === key;
  }

  unfinished(): readonly string[] {
    return readdirSync(join(this.root, "tmp~"));
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}

test("objects are there when their promises resolve, and nothing unfinished", async () => {
  using world = new World();
  const keys = Array.from({ length: 20 }, (_, at) => `wal/${at % 3}/${at}`);
  const results = await Promise.all(keys.map((key) => world.publish(key)));
  expect(results).toEqual(keys.map(() => WRITTEN));
  expect(keys.filter((key) => !world.holds(key))).toEqual([]);
  expect(world.unfinished()).toEqual([]);
  expect(await world.publish("wal/0/0")).toEqual({ kind: "already-exists" });
  await world.thread[Symbol.asyncDispose]();
});

test("the death of the thread fails what was under way, and the next object begins another thread", async () => {
  using world = new World();
  expect(await world.publish("a")).toEqual(WRITTEN);
  for (let round = 0; round < 3; round++) {
    world.killThread();
    expect(await world.publish(`lost-${round}`)).toMatchObject({ kind: "failed", code: "EIO" });
    expect(await world.publish(`b-${round}`)).toEqual(WRITTEN);
  }
  await world.thread[Symbol.asyncDispose]();
});

test("what a dead thread left unfinished is not in the way of the next one", async () => {
  using world = new World();
  expect(await world.publish("a")).toEqual(WRITTEN);
  // As after a death between writing and linking.
  for (let n = 0; n < 5; n++) writeFileSync(join(world.root, "tmp~", `broker-0~run~${n}`), "half");
  world.killThread();
  await world.publish("lost");
  expect(await world.publish("b")).toEqual(WRITTEN);
  await world.thread[Symbol.asyncDispose]();
});

test("disposal waits for what was handed over in the same turn, and nothing is taken after it", async () => {
  using world = new World();
  const first = world.publish("a");
  await world.thread[Symbol.asyncDispose]();
  expect(world.holds("a")).toBe(true);
  expect(await first).toEqual(WRITTEN);
  expect(await world.publish("b")).toMatchObject({ kind: "failed" });
  expect(world.holds("b")).toBe(false);
});

test("a large object is copied over several turns, in which its request may be given up", async () => {
  using world = new World();
  const chunks = [1, 3 * MIB - 7, 0, 5, 4 * MIB, 9 * MIB + 1].map((byteLength, at) =>
    Buffer.alloc(byteLength, 65 + at),
  );
  const request = (key: string) => ({ ...world.request(key), chunks });
  expect(await world.thread.publish(request("large"), signal)).toEqual(WRITTEN);
  expect(readFileSync(join(world.root, "large")).equals(Buffer.concat(chunks))).toBe(true);
  const giveUp = new AbortController();
  const given = world.thread.publish(request("given-up"), giveUp.signal);
  setImmediate(() => giveUp.abort(new Error("enough stores have it")));
  await expect(given).rejects.toThrow("enough stores have it");
  const last = world.thread.publish(request("last"), signal);
  await world.thread[Symbol.asyncDispose]();
  expect(await last).toEqual(WRITTEN);
  expect(readdirSync(world.root).toSorted()).toEqual(["large", "last", "marker", "tmp~"]);
  expect(world.unfinished()).toEqual([]);
});

test("disposal waits for what waits behind other objects", async () => {
  using world = new World();
  const results = [];
  for (let n = 0; n < 6; n++) {
    results.push(world.publish(`wal/${n}`));
    await Promise.resolve();
  }
  await world.thread[Symbol.asyncDispose]();
  expect([0, 1, 2, 3, 4, 5].filter((n) => !world.holds(`wal/${n}`))).toEqual([]);
  expect(await Promise.all(results)).toEqual(results.map(() => WRITTEN));
});

test("a thread that is busy is given no more: what waits can be given up, and is not written then", async () => {
  using world = new World();
  const busy = [];
  for (let n = 0; n < 2; n++) {
    busy.push(world.publish(`busy-${n}`));
    await Promise.resolve();
    await Promise.resolve();
  }
  const aborter = new AbortController();
  const waiting = world.publish("waiting", aborter.signal);
  const behind = world.publish("behind");
  await Promise.resolve();
  await Promise.resolve();
  const reason = new Error("too late");
  aborter.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(await Promise.all([...busy, behind])).toEqual([WRITTEN, WRITTEN, WRITTEN]);
  expect(world.holds("waiting")).toBe(false);
  await world.thread[Symbol.asyncDispose]();
});

test("nothing is written below another root", async () => {
  using world = new World();
  const request = { ...world.request("a"), rootFingerprint: "of another one" };
  expect(await world.thread.publish(request, signal)).toEqual({ kind: "other-root" });
  rmSync(join(world.root, "marker"));
  expect(await world.publish("b")).toEqual({ kind: "other-root" });
  expect(readdirSync(world.root)).toEqual(["tmp~"]);
  await world.thread[Symbol.asyncDispose]();
});
