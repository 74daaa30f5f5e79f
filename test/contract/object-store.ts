import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InvalidObjectKeyError } from "#lib/storage/object-keys.ts";
import { CorruptObjectError, ObjectNotFoundError, type ObjectStore } from "#lib/storage/object-store.ts";
import { type ObjectKey, objectKey } from "#lib/util/branded.ts";

export interface ObjectStoreUnderTest extends AsyncDisposable {
  readonly store: ObjectStore;
  /** A second handle on the same objects, as another process has it. */
  readonly other: ObjectStore;
}

// No time limit of its own: files share a process, and a limit from the load of this one would end under load.
const signal = new AbortController().signal;

/** What every `ObjectStore` promises. `make` answers an empty store. */
export function objectStoreContract(name: string, make: () => Promise<ObjectStoreUnderTest>): void {
  describe(`${name} keeps the contract of ObjectStore`, () => {
    let under: ObjectStoreUnderTest;
    let store: ObjectStore;

    beforeEach(async () => {
      under = await make();
      store = under.store;
    });

    afterEach(async () => {
      await under[Symbol.asyncDispose]();
    });

    const put = (key: string, text: string) => store.putIfAbsent(objectKey(key), [Buffer.from(text)], signal);

    test("an object reads back as the concatenation of its chunks, through every handle", async () => {
      const key = objectKey("wal/0000000001/ab/cd");
      const chunks = [Buffer.from("one"), new Uint8Array(0), Buffer.from("two"), new Uint8Array([0, 255])];
      expect(await store.putIfAbsent(key, chunks, signal)).toEqual({ kind: "written" });
      for (const reader of [store, under.other]) {
        expect(Buffer.from(await reader.get(key, signal))).toEqual(Buffer.concat(chunks));
      }
    });

    test("a put under a taken key changes nothing and says so, from whatever handle", async () => {
      await put("a/b", "first");
      expect(await put("a/b", "second")).toEqual({ kind: "already-exists" });
      const again = await under.other.putIfAbsent(objectKey("a/b"), [Buffer.from("third")], signal);
      expect(again).toEqual({ kind: "already-exists" });
      expect(Buffer.from(await store.get(objectKey("a/b"), signal)).toString()).toBe("first");
    });

    test("of many puts under one key exactly one is written, and its bytes stand", async () => {
      const texts = Array.from({ length: 12 }, (_, index) => `writer ${index}`);
      const results = await Promise.all(
        texts.map((text, index) =>
          (index % 2 === 0 ? store : under.other).putIfAbsent(objectKey("race/key"), [Buffer.from(text)], signal),
        ),
      );
      const winners = results.flatMap((result, index) => (result.kind === "written" ? [texts[index]] : []));
      expect(winners).toHaveLength(1);
      expect(Buffer.from(await store.get(objectKey("race/key"), signal)).toString()).toBe(winners[0]);
    });

    test("an object of many thousand chunks is whole", async () => {
      const chunks = Array.from({ length: 5_000 }, (_, index) => Buffer.from(`${index},`));
      await store.putIfAbsent(objectKey("many/chunks"), chunks, signal);
      expect(Buffer.from(await store.get(objectKey("many/chunks"), signal))).toEqual(Buffer.concat(chunks));
    });

    test("an object of several MiB is whole", async () => {
      const chunks = Array.from({ length: 5 }, (_, index) => Buffer.alloc(1_000_003, index + 1));
      await store.putIfAbsent(objectKey("large"), chunks, signal);
      expect(Buffer.compare(await store.get(objectKey("large"), signal), Buffer.concat(chunks))).toBe(0);
    });

    test("an empty object is an object", async () => {
      expect(await store.putIfAbsent(objectKey("empty"), [], signal)).toEqual({ kind: "written" });
      expect(await store.get(objectKey("empty"), signal)).toHaveLength(0);
    });

    test("a range answers exactly its bytes", async () => {
      await put("range", "0123456789");
      const read = async (position: number, byteLength: number) =>
        Buffer.from(await store.getRange(objectKey("range"), { position, byteLength }, signal)).toString();
      expect(await read(0, 10)).toBe("0123456789");
      expect(await read(3, 4)).toBe("3456");
      expect(await read(9, 1)).toBe("9");
    });

    test("a range that goes beyond the end is a corrupt object, never a short answer", async () => {
      await put("range", "0123456789");
      for (const range of [
        { position: 8, byteLength: 3 },
        { position: 10, byteLength: 1 },
        { position: 500, byteLength: 1 },
      ]) {
        await expect(store.getRange(objectKey("range"), range, signal)).rejects.toBeInstanceOf(CorruptObjectError);
      }
    });

    test("a missing object is not found, by get and by range", async () => {
      await put("folder/there", "x");
      for (const key of ["missing", "folder/missing", "no/such/folder"].map(objectKey)) {
        await expect(store.get(key, signal)).rejects.toBeInstanceOf(ObjectNotFoundError);
        const range = { position: 0, byteLength: 1 };
        await expect(store.getRange(key, range, signal)).rejects.toBeInstanceOf(ObjectNotFoundError);
      }
    });

    test("what a reader does to its bytes does not change the object", async () => {
      await put("own", "abc");
      (await store.get(objectKey("own"), signal)).fill(0);
      (await store.getRange(objectKey("own"), { position: 0, byteLength: 3 }, signal)).fill(0);
      expect(Buffer.from(await store.get(objectKey("own"), signal)).toString()).toBe("abc");
    });

    test("keys are listed in the order of their bytes, with their sizes", async () => {
      const keys = ["b", "a/z", "a-b", "a.b", "a/b/c", "a/b-c", "a/B", "a0", "A", "a=b", "a_b"];
      for (const [index, key] of keys.entries()) await put(key, "x".repeat(index));
      const listing = await store.list({ prefix: "", startAfter: "", limit: 100 }, signal);
      const sorted = [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
      expect(userKeys(listing.objects)).toEqual(sorted);
      expect(listing.isTruncated).toBe(false);
      for (const object of listing.objects) {
        if (!keys.includes(object.key)) continue;
        expect(object.byteLength).toBe(keys.indexOf(object.key));
        expect(object.lastModifiedMs).toBeGreaterThanOrEqual(0);
      }
    });

    test("a prefix is a prefix of the key, not of a folder", async () => {
      for (const key of ["wal/01/a", "wal/01/b", "wal/011/c", "wal/02/d", "walk/e", "w"]) await put(key, "x");
      const list = async (prefix: string) =>
        userKeys((await store.list({ prefix, startAfter: "", limit: 100 }, signal)).objects);
      expect(await list("wal/01")).toEqual(["wal/01/a", "wal/01/b", "wal/011/c"]);
      expect(await list("wal/01/")).toEqual(["wal/01/a", "wal/01/b"]);
      expect(await list("wal")).toEqual(["wal/01/a", "wal/01/b", "wal/011/c", "wal/02/d", "walk/e"]);
      expect(await list("wal/02/d")).toEqual(["wal/02/d"]);
      expect(await list("wal/02/d/x")).toEqual([]);
      expect(await list("nothing/there")).toEqual([]);
    });

    test("pages of a listing join to the whole, whatever their size", async () => {
      const keys: string[] = [];
      for (let a = 0; a < 3; a++) {
        for (let b = 0; b < 4; b++) keys.push(`p/${a}/x${b}/1`, `p/${a}/x${b}-2`, `p/${a}-${b}`);
      }
      await Promise.all(keys.map((key) => put(key, "x")));
      keys.sort();
      for (const limit of [1, 2, 5, 36, 100]) {
        const seen: string[] = [];
        let startAfter = "";
        for (let isTruncated = true; isTruncated; ) {
          const page = await store.list({ prefix: "p/", startAfter, limit }, signal);
          expect(page.objects.length).toBeLessThanOrEqual(limit);
          seen.push(...page.objects.map((object) => object.key));
          isTruncated = page.isTruncated;
          startAfter = page.objects.at(-1)?.key ?? "";
        }
        expect(seen).toEqual(keys);
      }
    });

    test("a listing may start after a key that does not exist", async () => {
      for (const key of ["p/a/1", "p/b/1", "p/c/1"]) await put(key, "x");
      const list = async (startAfter: string) =>
        userKeys((await store.list({ prefix: "p/", startAfter, limit: 9 }, signal)).objects);
      expect(await list("p/a/2")).toEqual(["p/b/1", "p/c/1"]);
      expect(await list("p/b")).toEqual(["p/b/1", "p/c/1"]);
      expect(await list("p/b/1")).toEqual(["p/c/1"]);
      expect(await list("p/b~")).toEqual(["p/c/1"]);
      expect(await list("a")).toEqual(["p/a/1", "p/b/1", "p/c/1"]);
      expect(await list("q")).toEqual([]);
    });

    test("deleted keys are gone, missing ones count as deleted, the others stay", async () => {
      for (const key of ["d/1", "d/2", "d/3/x"]) await put(key, "x");
      const keys: readonly ObjectKey[] = ["d/1", "d/3/x", "d/none", "nowhere/at/all"].map(objectKey);
      expect(await store.deleteAll(keys, signal)).toEqual(new Set(keys));
      for (const reader of [store, under.other]) {
        const listing = await reader.list({ prefix: "d/", startAfter: "", limit: 9 }, signal);
        expect(userKeys(listing.objects)).toEqual(["d/2"]);
        await expect(reader.get(objectKey("d/1"), signal)).rejects.toBeInstanceOf(ObjectNotFoundError);
      }
      expect(await store.deleteAll([], signal)).toEqual(new Set());
    });

    test("a key may be written again after its deletion, in its old folder", async () => {
      const key = objectKey("again/and/again");
      for (let round = 0; round < 3; round++) {
        expect(await put(key, `round ${round}`)).toEqual({ kind: "written" });
        expect(Buffer.from(await store.get(key, signal)).toString()).toBe(`round ${round}`);
        await store.deleteAll([key], signal);
      }
    });

    test("a key that leaves its place is refused by every method", async () => {
      for (const text of [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        "./a",
        "a/.",
        "a b",
        "a\\b",
        "ä",
        "a\0b",
        "x".repeat(900),
      ]) {
        const key = objectKey(text);
        const range = { position: 0, byteLength: 1 };
        await expect(store.putIfAbsent(key, [], signal)).rejects.toBeInstanceOf(InvalidObjectKeyError);
        await expect(store.get(key, signal)).rejects.toBeInstanceOf(InvalidObjectKeyError);
        await expect(store.getRange(key, range, signal)).rejects.toBeInstanceOf(InvalidObjectKeyError);
        await expect(store.deleteAll([key], signal)).rejects.toBeInstanceOf(InvalidObjectKeyError);
      }
    });

    test("a call whose signal has aborted fails with its reason and changes nothing", async () => {
      const reason = new Error("gave up");
      const aborted = AbortSignal.abort(reason);
      await expect(store.putIfAbsent(objectKey("late"), [], aborted)).rejects.toBe(reason);
      await expect(store.get(objectKey("late"), aborted)).rejects.toBe(reason);
      await expect(store.list({ prefix: "", startAfter: "", limit: 1 }, aborted)).rejects.toBe(reason);
      await expect(store.deleteAll([objectKey("late")], aborted)).rejects.toBe(reason);
      await expect(store.get(objectKey("late"), signal)).rejects.toBeInstanceOf(ObjectNotFoundError);
    });
  });
}

/** A store may hold its own marker beside what the test wrote. */
function userKeys(objects: readonly { readonly key: string }[]): readonly string[] {
  return objects.map((object) => object.key).filter((key) => key !== "marker.json");
}
