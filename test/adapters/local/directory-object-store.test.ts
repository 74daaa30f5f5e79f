import { mkdirSync, renameSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { DirectoryObjectStore } from "#lib/adapters/local/directory-object-store.ts";
import type { PublisherSettings } from "#lib/adapters/local/object-publisher.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { MARKER_KEY } from "#lib/storage/object-keys.ts";
import { ObjectNotFoundError } from "#lib/storage/object-store.ts";
import { newStoreMarker, type StoreMarker } from "#lib/storage/store-marker.ts";
import { objectKey } from "#lib/util/branded.ts";
import { composeLogContract } from "../../contract/compose-log.ts";
import { objectStoreContract } from "../../contract/object-store.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { FaultyFilePort, InlinePublisher } from "./faulty-file-port.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-directory-store-"));
const random = new SeededRandom(3);
// No time limit of its own: files share a process, and a limit from the load of this one would end under load.
const signal = new AbortController().signal;
const key = objectKey("wal/0000000001/ab/cd");
let count = 0;

afterAll(() => rm(folder, { recursive: true, force: true }));

function newMarker(storeId = 0): StoreMarker {
  return newStoreMarker(storeId, random.bytes(16));
}

async function newStore() {
  const root = join(folder, `store-${count++}`);
  const files = new FaultyFilePort();
  const options = {
    root,
    random,
    logger: SILENT_LOGGER,
    owner: "broker-0",
    files,
    syncFiles: files.sync,
    newPublisher: (settings: PublisherSettings) => new InlinePublisher(files.sync, settings),
  };
  const marker = newMarker();
  const store = await DirectoryObjectStore.create(options, marker);
  files.calls.length = 0;
  return { root, files, options, marker, store };
}

async function underContract() {
  const root = join(folder, `contract-${count++}`);
  const options = { root, random, logger: SILENT_LOGGER, owner: "broker-0" };
  const marker = newMarker();
  const store = await DirectoryObjectStore.create(options, marker);
  const other = await DirectoryObjectStore.open({ ...options, owner: "broker-1" }, marker);
  return {
    store,
    other,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      await rm(options.root, { recursive: true });
    },
  };
}

objectStoreContract("DirectoryObjectStore", underContract);
composeLogContract("DirectoryObjectStore", underContract);

describe("DirectoryObjectStore", () => {
  let under: Awaited<ReturnType<typeof newStore>>;
  const put = (at = key, text = "abc") => under.store.putIfAbsent(at, [Buffer.from(text)], signal);
  const textOf = async (at = key) => Buffer.from(await under.store.get(at, signal)).toString();
  const unfinished = () => readdir(join(under.root, "tmp~"));

  beforeEach(async () => {
    under = await newStore();
  });

  test("says that an object of a log is missing only where the root is the right one", async () => {
    const log = objectKey("segments/0000000001/ab/t-0/00000000000000000000.log");
    const run = { key, position: 0, byteLength: 100, baseOffset: 0, batches: new Uint8Array([100, 1]) };
    const compose = async () => under.store.composeLog?.(log, { baseOffset: 0, runs: [run] }, signal);
    await expect(compose()).rejects.toThrow(ObjectNotFoundError);
    under.files.fault = (operation) => (operation === "fingerprint" ? "ENOENT" : undefined);
    await expect(compose()).rejects.toMatchObject({ name: "StoreUnavailableError", reason: "root" });
  });

  test("looks at the root once for all reads that begin together", async () => {
    const keys = ["ab", "cd", "ef"].map((name) => objectKey(`wal/0000000001/ab/${name}`));
    for (const each of keys) await put(each, each);
    under.files.calls.length = 0;
    expect(await Promise.all(keys.map(textOf))).toEqual(keys);
    expect(under.files.calls.filter(({ operation }) => operation === "fingerprint")).toHaveLength(1);
    await textOf(keys[0]);
    expect(under.files.calls.filter(({ operation }) => operation === "fingerprint")).toHaveLength(2);
  });

  test("syncs the bytes before the name appears, and the name and every new folder before the answer", async () => {
    await put();
    const steps = under.files.calls.map(({ operation, path }) => `${operation} ${path.slice(under.root.length)}`);
    const order = (step: string) => {
      const found = steps.findIndex((each) => each.startsWith(step));
      expect(found, step).toBeGreaterThanOrEqual(0);
      return found;
    };
    expect(order("sync /tmp~/")).toBeLessThan(order(`link /${key}`));
    expect(order(`link /${key}`)).toBeLessThan(order("syncFolder /wal/0000000001/ab"));
    expect(steps).toContain("syncFolder ");
    expect(order("makeFolder /wal/0000000001/ab")).toBeLessThan(order(`link /${key}`));
    const folders = steps.filter((step) => step.startsWith("syncFolder "));
    expect(new Set(folders)).toEqual(
      new Set(["", "/wal", "/wal/0000000001", "/wal/0000000001/ab"].map((path) => `syncFolder ${path}`)),
    );
  });

  test("syncs parents once: a second put into a folder costs one sync of data and one of names", async () => {
    await put();
    under.files.calls.length = 0;
    await put(objectKey("wal/0000000001/ab/ef"));
    expect(under.files.countOf("sync")).toBe(1);
    expect(under.files.countOf("syncFolder")).toBe(1);
    expect(under.files.countOf("makeFolder")).toBe(0);
  });

  test("lets concurrent puts into one folder share their syncs of names", async () => {
    await put();
    under.files.calls.length = 0;
    const keys = Array.from({ length: 30 }, (_, index) => objectKey(`wal/0000000001/ab/${index}`));
    await Promise.all(keys.map((each) => put(each)));
    expect(under.files.countOf("syncFolder")).toBeLessThan(30);
  });

  test("syncs the name even where it stands already, for its writer may not have come to that", async () => {
    await put();
    under.files.calls.length = 0;
    expect(await put()).toEqual({ kind: "already-exists" });
    expect(under.files.countOf("syncFolder")).toBe(1);
    expect(await unfinished()).toEqual([]);
  });

  test("puts together what short writes and short reads give", async () => {
    under.files.bytesPerCallMax = 7;
    const chunks = ["a", "bcdefgh", "", "ijklmnopqrstuvw", "xyz"].map((text) => Buffer.from(text));
    await under.store.putIfAbsent(key, chunks, signal);
    expect(await textOf()).toBe("abcdefghijklmnopqrstuvwxyz");
    const range = await under.store.getRange(key, { position: 2, byteLength: 20 }, signal);
    expect(Buffer.from(range).toString()).toBe("cdefghijklmnopqrstuv");
  });

  for (const operation of ["create", "write", "sync", "close", "makeFolder", "link", "syncFolder"] as const) {
    test(`a full disk at ${operation} is said to be full, leaves nothing behind, and passes`, async () => {
      under.files.fault = (each, path) => (each === operation && !path.endsWith(MARKER_KEY) ? "ENOSPC" : undefined);
      await expect(put()).rejects.toMatchObject({
        name: "StoreUnavailableError",
        reason: "full",
        message: expect.stringContaining("is full (ENOSPC): make room"),
      });
      under.files.fault = () => undefined;
      expect(await unfinished()).toEqual([]);
      await put();
      expect(await textOf()).toBe("abc");
    });
  }

  test("an error of the disk or a read-only file system is unavailability, with its code", async () => {
    await put();
    for (const [operation, code] of [
      ["read", "EIO"],
      ["sync", "EIO"],
      ["create", "EROFS"],
      ["open", "EMFILE"],
    ] as const) {
      under.files.fault = (each, path) => (each === operation && !path.endsWith(MARKER_KEY) ? code : undefined);
      await under.store[Symbol.asyncDispose]();
      const failing = operation === "read" || operation === "open" ? textOf() : put(objectKey("other"));
      await expect(failing).rejects.toMatchObject({ reason: "io", message: expect.stringContaining(code) });
      under.files.fault = () => undefined;
    }
    expect(await textOf()).toBe("abc");
    expect(await unfinished()).toEqual([]);
  });

  test("a failed deletion is left out of the answer; if nothing can be deleted the call fails", async () => {
    const [a, b] = [objectKey("d/a"), objectKey("d/b")];
    await put(a);
    await put(b);
    under.files.fault = (operation, path) => (operation === "unlink" && path.endsWith("/b") ? "EIO" : undefined);
    expect(await under.store.deleteAll([a, b], signal)).toEqual(new Set([a]));
    await expect(under.store.deleteAll([b], signal)).rejects.toMatchObject({ reason: "io" });
    under.files.fault = () => undefined;
    expect(await textOf(b)).toBe("abc");
  });

  test("folders that deletion emptied are removed, the root stays", async () => {
    await put();
    await put(objectKey("wal/0000000001/ab/ef"));
    await under.store.deleteAll([key], signal);
    expect(await readdir(join(under.root, "wal/0000000001/ab"))).toEqual(["ef"]);
    await under.store.deleteAll([objectKey("wal/0000000001/ab/ef")], signal);
    expect((await readdir(under.root)).sort()).toEqual([MARKER_KEY, "tmp~"]);
  });

  test("puts and deletions that meet in one folder all succeed", async () => {
    const at = (index: number) => objectKey(`busy/${index % 3}/${index}`);
    for (let round = 0; round < 20; round++) {
      const puts = [0, 1, 2].map((index) => put(at(index + 3 * round + 3)));
      const deletions = [0, 1, 2].map((index) => under.store.deleteAll([at(index + 3 * round)], signal));
      await Promise.all([...puts, ...deletions]);
    }
    const listing = await under.store.list({ prefix: "busy/", startAfter: "", limit: 9 }, signal);
    expect(listing.objects).toHaveLength(3);
  });

  test("keeps a bounded number of files open", async () => {
    const keys = Array.from({ length: 400 }, (_, index) => objectKey(`many/${index}`));
    for (const each of keys) await put(each, each);
    for (let round = 0; round < 2; round++) {
      await Promise.all(keys.map(async (each) => expect(await textOf(each)).toBe(each)));
    }
    const closed = under.files.calls.filter((call) => call.operation === "close" && call.path.includes("/many/"));
    expect(closed.length).toBeGreaterThan(400 - 256);
  });

  test("a later process removes what an earlier one of the same owner left unfinished, and nothing else", async () => {
    await writeFile(join(under.root, "tmp~", "broker-0~0123456789ab~7"), "half");
    await writeFile(join(under.root, "tmp~", "broker-7~0123456789ab~7"), "half");
    await DirectoryObjectStore.open(under.options, under.marker);
    expect(await unfinished()).toEqual(["broker-7~0123456789ab~7"]);
  });

  test("pages of a quiet folder read it once; a change is seen at once", async () => {
    const keys = ["q/a", "q/b", "q/c", "q/d"].map(objectKey);
    for (const each of keys) await put(each);
    const list = async (startAfter: string) => {
      const listing = await under.store.list({ prefix: "q/", startAfter, limit: 2 }, signal);
      return listing.objects.map((object) => object.key);
    };
    const folder = join(under.root, "q");
    await utimes(folder, 1_700_000_000, 1_700_000_000);
    under.files.calls.length = 0;
    expect([await list(""), await list("q/b")]).toEqual([keys.slice(0, 2), keys.slice(2)]);
    expect(under.files.countOf("list")).toBe(1);
    await put(objectKey("q/bb"));
    expect(await list("q/b")).toEqual(["q/bb", "q/c"]);
    await put(objectKey("q/bbb"));
    expect(await list("q/b")).toEqual(["q/bb", "q/bbb"]);
  });

  test("files that are no keys are not listed", async () => {
    await put();
    await writeFile(join(under.root, "wal", "note with blanks"), "x");
    const listing = await under.store.list({ prefix: "wal", startAfter: "", limit: 9 }, signal);
    expect(listing.objects.map((object) => object.key)).toEqual([key]);
    expect((await under.store.list({ prefix: "../", startAfter: "", limit: 9 }, signal)).objects).toEqual([]);
  });
});

describe("the root of a DirectoryObjectStore", () => {
  const range = { position: 0, byteLength: 1 };

  async function expectOutage(under: Awaited<ReturnType<typeof newStore>>): Promise<void> {
    const { store } = under;
    const calls = [
      store.putIfAbsent(objectKey("x/y"), [Buffer.from("x")], signal),
      store.putIfAbsent(key, [Buffer.from("x")], signal),
      store.get(key, signal),
      store.get(objectKey("missing"), signal),
      store.getRange(key, range, signal),
      store.list({ prefix: "", startAfter: "", limit: 9 }, signal),
      store.deleteAll([key], signal),
    ];
    const outage = { status: "rejected", reason: { name: "StoreUnavailableError", reason: "root" } };
    expect(await Promise.allSettled(calls)).toMatchObject(calls.map(() => outage));
  }

  async function expectService(under: Awaited<ReturnType<typeof newStore>>, round: string): Promise<void> {
    expect(Buffer.from(await under.store.getRange(key, { position: 0, byteLength: 3 }, signal)).toString()).toBe("abc");
    expect(await under.store.putIfAbsent(objectKey(`rounds/${round}`), [], signal)).toEqual({ kind: "written" });
    await expect(under.store.get(objectKey("missing"), signal)).rejects.toBeInstanceOf(ObjectNotFoundError);
  }

  test("missing, a plain file, empty, or another store's: an outage until the right one is back, and none is made", async () => {
    const under = await newStore();
    const { root, store } = under;
    await store.putIfAbsent(key, [Buffer.from("abc")], signal);
    await expectService(under, "before");
    await rename(root, `${root}-away`);
    await expectOutage(under);
    await expect(readdir(root)).rejects.toMatchObject({ code: "ENOENT" });
    await rename(`${root}-away`, root);
    await expectService(under, "missing");

    await rename(root, `${root}-away`);
    await writeFile(root, "a plain file");
    await expectOutage(under);
    expect(await readFile(root, "utf8")).toBe("a plain file");
    await rm(root);
    await rename(`${root}-away`, root);
    await expectService(under, "plain");

    const empty = await mkdtemp(`${root}-empty-`);
    await rename(root, `${root}-away`);
    await rename(empty, root);
    await expectOutage(under);
    expect(await readdir(root)).toEqual([]);
    await rm(root, { recursive: true });
    await rename(`${root}-away`, root);
    await expectService(under, "empty");

    const foreign = await newStore();
    await rename(root, `${root}-away`);
    await rename(foreign.root, root);
    const before = await readdir(root);
    await expectOutage(under);
    expect(await readdir(root)).toEqual(before);
    await rename(root, foreign.root);
    await rename(`${root}-away`, root);
    await expectService(under, "foreign");
  });

  test("swapped for an empty directory in the middle of a put it gets nothing", async () => {
    const under = await newStore();
    under.files.fault = (operation) => {
      if (operation !== "create") return undefined;
      under.files.fault = () => undefined;
      renameSync(under.root, `${under.root}-away`);
      mkdirSync(under.root);
      return undefined;
    };
    const put = under.store.putIfAbsent(key, [Buffer.from("abc")], signal);
    await expect(put).rejects.toMatchObject({ name: "StoreUnavailableError", reason: "root" });
    expect(await readdir(under.root)).toEqual([]);
  });

  test("emptied in place or with its marker changed it is an outage too", async () => {
    const under = await newStore();
    await under.store.putIfAbsent(key, [Buffer.from("abc")], signal);
    const path = join(under.root, MARKER_KEY);
    const marker = await readFile(path);
    await rm(path);
    await expectOutage(under);
    for (const text of ["", "{}", "not json", marker.toString().replace(/[0-9a-f]{32}/, "0".repeat(32))]) {
      await writeFile(path, text);
      await expectOutage(under);
    }
    await writeFile(path, marker);
    await expectService(under, "marker");
  });

  test("a store opened while its root is away answers once it is there", async () => {
    const under = await newStore();
    await under.store.putIfAbsent(key, [Buffer.from("abc")], signal);
    await rename(under.root, `${under.root}-away`);
    const store = await DirectoryObjectStore.open(under.options, under.marker);
    await expectOutage({ ...under, store });
    await rename(`${under.root}-away`, under.root);
    await expectService({ ...under, store }, "opened");
  });

  test("a deleted folder for unfinished files is made again", async () => {
    const under = await newStore();
    await under.store.putIfAbsent(key, [Buffer.from("abc")], signal);
    await rm(join(under.root, "tmp~"), { recursive: true });
    await expectService(under, "tmp");
  });

  test("a new store keeps the marker of an interrupted first start and refuses a directory that holds other things", async () => {
    const { options, marker, root } = await newStore();
    const again = await DirectoryObjectStore.create(options, newMarker());
    expect(again.marker).toEqual(marker);
    await expect(DirectoryObjectStore.create(options, newMarker(1))).rejects.toMatchObject({ reason: "root" });
    await writeFile(join(root, "thesis.tex"), "x");
    await expect(DirectoryObjectStore.create(options, newMarker())).rejects.toMatchObject({ reason: "root" });
    const file = join(root, "thesis.tex");
    await expect(DirectoryObjectStore.create({ ...options, root: file }, newMarker())).rejects.toMatchObject({
      name: "StoreUnavailableError",
    });
  });
});
