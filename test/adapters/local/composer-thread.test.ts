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
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { ComposerThread } from "#lib/adapters/local/composer-thread.ts";
import { fingerprintOf } from "#lib/adapters/local/file-port.ts";
import { type ComposeRequest, LogComposer } from "#lib/adapters/local/log-composer.ts";
import { NodeSyncFiles } from "#lib/adapters/local/sync-files.ts";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { objectKey } from "#lib/util/branded.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { FaultyFilePort } from "./faulty-file-port.ts";

const signal = new AbortController().signal;
const BATCH = buildBatch([{ timestampMs: 5, key: null, value: Buffer.alloc(20_000, 7), headers: [] }], {
  partitionLeaderEpoch: 0,
});

class World implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "millrace-composer-"));
  readonly settings = { root: this.root, marker: "marker", temporaryFolder: "tmp~", runPrefix: "broker-0~run~" };
  readonly thread = new ComposerThread(this.settings);
  readonly #fingerprint: string;

  constructor() {
    mkdirSync(join(this.root, "tmp~"));
    writeFileSync(join(this.root, "marker"), "here");
    writeFileSync(join(this.root, "object"), Buffer.concat([Buffer.alloc(100), BATCH]));
    this.#fingerprint = fingerprintOf(statSync(join(this.root, "marker"), { bigint: true }));
  }

  request(key: string): ComposeRequest {
    const batches = new ByteWriter().uvarint(BATCH.byteLength).uvarint(1).toBytes();
    const run = { key: objectKey("object"), position: 100, byteLength: BATCH.byteLength, baseOffset: 0, batches };
    return { key, recipe: { baseOffset: 0, runs: [run] }, rootFingerprint: this.#fingerprint, isAgain: false };
  }

  compose(key: string, by = signal) {
    return this.thread.compose(this.request(key), by);
  }

  /** What no caller can say, so that the thread ends in the middle of its work. */
  killThread(): void {
    this.thread.forget(JSON.parse("[1]"));
  }

  holds(key: string): boolean {
    return existsSync(join(this.root, key)) && readFileSync(join(this.root, key)).equals(Buffer.from(BATCH));
  }

  unfinished(): readonly string[] {
    return readdirSync(join(this.root, "tmp~"));
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}

test("logs are there when their promises resolve, and nothing unfinished", async () => {
  using world = new World();
  const keys = Array.from({ length: 5 }, (_, at) => `segments/${at % 2}/${at}.log`);
  const results = await Promise.all(keys.map((key) => world.compose(key)));
  expect(results.map(({ kind }) => kind)).toEqual(keys.map(() => "composed"));
  expect(keys.filter((key) => !world.holds(key))).toEqual([]);
  expect(world.unfinished()).toEqual([]);
  expect(await world.compose("segments/0/0.log")).toEqual({ kind: "already-exists" });
  await world.thread[Symbol.asyncDispose]();
});

test("the death of the thread fails the log under way, and the next one begins another thread", async () => {
  using world = new World();
  expect(await world.compose("a")).toMatchObject({ kind: "composed" });
  // As after a death between writing and linking.
  for (let n = 0; n < 5; n++) writeFileSync(join(world.root, "tmp~", `broker-0~run~log0-${n}`), "half");
  world.killThread();
  expect(await world.compose("lost")).toMatchObject({ kind: "failed", code: "EIO" });
  expect(await world.compose("b")).toMatchObject({ kind: "composed" });
  expect(world.holds("b")).toBe(true);
  await world.thread[Symbol.asyncDispose]();
});

test("nothing is made for a caller that has given up before", async () => {
  using world = new World();
  const reason = new Error("too late");
  await expect(world.compose("never", AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(world.holds("never")).toBe(false);
  await world.thread[Symbol.asyncDispose]();
});

test("what waits behind a log can be given up, and is not made then", async () => {
  using world = new World();
  const aborter = new AbortController();
  const first = world.compose("first", aborter.signal);
  await setImmediate();
  const waiting = world.compose("waiting", aborter.signal);
  const reason = new Error("too late");
  aborter.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(await first).toMatchObject({ kind: "composed" });
  expect(world.holds("waiting")).toBe(false);
  await world.thread[Symbol.asyncDispose]();
});

test("disposal waits for the log under way alone, and nothing is taken after it", async () => {
  using world = new World();
  const first = world.compose("first");
  await setImmediate();
  const second = world.compose("second");
  await world.thread[Symbol.asyncDispose]();
  expect(world.holds("first")).toBe(true);
  expect(await first).toMatchObject({ kind: "composed" });
  for (const late of [await second, await world.compose("third")]) expect(late).toMatchObject({ kind: "failed" });
  expect(readdirSync(world.root)).not.toContain("second");
});

test("nothing is written below another root", async () => {
  using world = new World();
  const request = { ...world.request("a"), rootFingerprint: "of another one" };
  expect(await world.thread.compose(request, signal)).toEqual({ kind: "other-root" });
  expect(readdirSync(world.root).sort()).toEqual(["marker", "object", "tmp~"]);
  await world.thread[Symbol.asyncDispose]();
});

test("where the page cache cannot be passed by, and where a read or a write takes a part, the log is the same", () => {
  class Undirected extends NodeSyncFiles {
    override openToRead(path: string, isDirect: boolean): number {
      if (isDirect) throw Object.assign(new Error("EINVAL: invalid argument, open"), { code: "EINVAL" });
      return super.openToRead(path, false);
    }

    override create(path: string, isDirect: boolean): number {
      if (isDirect) throw Object.assign(new Error("EINVAL: invalid argument, open"), { code: "EINVAL" });
      return super.create(path, false);
    }
  }
  using world = new World();
  const piecemeal = new FaultyFilePort();
  piecemeal.bytesPerCallMax = 3_000;
  for (const [key, files] of [
    ["undirected", new Undirected()],
    ["piecemeal", piecemeal.sync],
  ] as const) {
    expect(new LogComposer(files, world.settings).compose([world.request(key)])).toMatchObject([{ kind: "composed" }]);
    expect(world.holds(key)).toBe(true);
  }
});

test("a disk that fails fails the log, whatever it fails at, and leaves no unfinished file", () => {
  using world = new World();
  for (const operation of ["openToRead", "read", "write", "sync", "link", "syncFolder"] as const) {
    const files = new FaultyFilePort();
    files.fault = (each) => (each === operation ? "EIO" : undefined);
    const composer = new LogComposer(files.sync, world.settings);
    expect(composer.compose([world.request(`log-${operation}`)]), operation).toMatchObject([
      { kind: "failed", code: "EIO" },
    ]);
    expect(world.unfinished()).toEqual([]);
  }
});

/** Twenty partitions' worth of runs in one object, `BATCH` after `BATCH`. */
class SharedWorld extends World {
  readonly files = new FaultyFilePort();
  readonly composer = new LogComposer(this.files.sync, this.settings);

  constructor(objects: readonly string[]) {
    super();
    for (const name of objects) {
      writeFileSync(join(this.root, name), Buffer.concat(Array.from({ length: 20 }, () => BATCH)));
    }
  }

  /** The log of one of the partitions, a batch of each of the objects. */
  logOf(partition: number, objects: readonly string[]): ComposeRequest {
    const { recipe, ...target } = this.request(`segments/${partition}.log`);
    const runs = recipe.runs.flatMap((run) =>
      objects.map((name, baseOffset) => {
        return { ...run, key: objectKey(name), position: partition * BATCH.byteLength, baseOffset };
      }),
    );
    return { ...target, recipe: { ...recipe, runs } };
  }

  holdsLog(partition: number, batchCount: number): boolean {
    const path = join(this.root, `segments/${partition}.log`);
    if (!existsSync(path)) return false;
    const log = readFileSync(path);
    const expected = Array.from({ length: batchCount }, (_, offset) => {
      const batch = Buffer.from(BATCH);
      batch.writeBigInt64BE(BigInt(offset));
      return batch;
    });
    return log.equals(Buffer.concat(expected));
  }
}

test("logs whose runs lie next to each other are made of one read of each object", () => {
  using world = new SharedWorld(["a", "b"]);
  const results = world.composer.compose([0, 1, 2, 19].map((partition) => world.logOf(partition, ["a", "b"])));
  expect(results.map(({ kind }) => kind)).toEqual(["composed", "composed", "composed", "composed"]);
  for (const partition of [0, 1, 2, 19]) expect(world.holdsLog(partition, 2)).toBe(true);
  // What is far behind the others is not worth what lies between.
  expect(world.files.countOf("openToRead")).toBe(4);
});

test("a log that cannot be made takes no other one with it, whatever is wrong", () => {
  using world = new SharedWorld(["a", "b", "c"]);
  writeFileSync(join(world.root, "cut"), Buffer.concat([BATCH, BATCH]));
  const bytes = readFileSync(join(world.root, "b"));
  bytes[BATCH.byteLength + 100] = (bytes[BATCH.byteLength + 100] ?? 0) ^ 1;
  writeFileSync(join(world.root, "b"), bytes);
  world.files.fault = (operation, path) => (operation === "link" && path.endsWith("/4.log") ? "EIO" : undefined);
  const all = ["a", "b", "c"];
  const others = [["a", "no"], ["cut"]].map((objects, index) => world.logOf(2 + index, objects));
  const [good, damaged, missing, cut, unlinked] = world.composer.compose([
    ...[world.logOf(0, all), world.logOf(1, all), ...others, world.logOf(4, all)],
  ]);
  expect(good).toMatchObject({ kind: "composed" });
  expect(world.holdsLog(0, 3)).toBe(true);
  expect(damaged).toMatchObject({ kind: "damaged", key: "b" });
  expect(missing).toEqual({ kind: "missing", key: "no" });
  expect(cut).toMatchObject({ kind: "damaged", key: "cut" });
  expect(unlinked).toMatchObject({ kind: "failed", code: "EIO" });
  for (const partition of [1, 2, 3, 4]) expect(existsSync(join(world.root, `segments/${partition}.log`))).toBe(false);
  expect(world.unfinished()).toEqual([]);
});

test("a log that fails makes room on the disk at once, while the others are still written", () => {
  using world = new SharedWorld(["a", "b"]);
  const results = world.composer.compose([world.logOf(0, ["a", "gone"]), world.logOf(1, ["a", "b"])]);
  expect(results.map(({ kind }) => kind)).toEqual(["missing", "composed"]);
  const { calls } = world.files;
  const removed = calls.findIndex(({ operation }) => operation === "unlink");
  const synced = calls.findIndex(({ operation }) => operation === "sync");
  expect(removed).toBeGreaterThan(-1);
  expect(removed).toBeLessThan(synced);
});

test("a file that does not close leaves no other one open", () => {
  using world = new World();
  const files = new FaultyFilePort();
  const opened = new Set<number>();
  const { sync } = files;
  const open = sync.create.bind(sync);
  const openAgain = sync.openToWrite.bind(sync);
  const close = sync.close.bind(sync);
  sync.create = (path, isDirect) => noted(open(path, isDirect));
  sync.openToWrite = (path) => noted(openAgain(path));
  sync.close = (descriptor) => {
    opened.delete(descriptor);
    close(descriptor);
  };
  files.fault = (operation) => (operation === "close" ? "EIO" : undefined);
  expect(new LogComposer(sync, world.settings).compose([world.request("log")])).toMatchObject([{ kind: "failed" }]);
  expect(opened.size).toBe(0);

  function noted(descriptor: number): number {
    opened.add(descriptor);
    return descriptor;
  }
});
