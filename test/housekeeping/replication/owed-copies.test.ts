import { describe, expect, test } from "vitest";
import { OwedCopies, type OwedCopy } from "#lib/housekeeping/replication/owed-copies.ts";
import { objectKey } from "#lib/util/branded.ts";
import { FLUSH_TIMEOUT_MS, OWED_COPIES_MAX, OWED_COPY_RETRY_MS, RELIST_MARGIN_MS } from "#lib/util/limits.ts";

const SERVICE_MS = 1_000_000;

function copyOf(n: number, fields: Partial<OwedCopy> = {}): OwedCopy {
  const key = objectKey(`wal/${n}`);
  return { key, byteLength: 10, sources: [0], journals: [0], writtenAtMs: n, doubt: "late", dueAtMs: 100, ...fields };
}

describe("OwedCopies", () => {
  test("a late copy is due when its time has come, and counts from then on", () => {
    const owed = new OwedCopies();
    owed.add(copyOf(1), 0);
    expect(owed.due(99)).toEqual([]);
    expect(owed.total(99)).toEqual({ objects: 0, bytes: 0 });
    expect(owed.due(100)).toEqual([copyOf(1)]);
    expect(owed.total(100)).toEqual({ objects: 1, bytes: 10 });
  });

  test("one that is known to be missing counts at once", () => {
    const owed = new OwedCopies();
    owed.add(copyOf(1, { doubt: "missing" }), 0);
    expect(owed.total(0)).toEqual({ objects: 1, bytes: 10 });
    expect(owed.isShort(0)).toBe(true);
    expect(owed.isShort(1)).toBe(false);
  });

  test("what several journals refer to is owed once, for all of them, and the worst that is known of it counts", () => {
    const owed = new OwedCopies();
    owed.add(copyOf(5), 0);
    owed.add(copyOf(5, { journals: [3], writtenAtMs: 2, doubt: "damaged" }), 0);
    owed.add(copyOf(5, { journals: [0], doubt: "missing" }), 0);
    expect(owed.size).toBe(1);
    expect(owed.get(copyOf(5).key)).toMatchObject({ journals: [0, 3], writtenAtMs: 2, doubt: "damaged" });
  });

  test("a journal is held back by what is older than the lag allows, and by nothing of another journal", () => {
    const owed = new OwedCopies();
    owed.add(copyOf(50), 0);
    expect(owed.holdsBack(0, 50)).toBe(false);
    expect(owed.holdsBack(0, 51)).toBe(true);
    expect(owed.holdsBack(1, 51)).toBe(false);
  });

  test("a journal that is led elsewhere takes along what is owed for it alone", () => {
    const owed = new OwedCopies();
    owed.add(copyOf(1), 0);
    owed.add(copyOf(2, { journals: [0, 1] }), 0);
    owed.add(copyOf(3, { journals: [] }), 0);
    owed.releaseJournal(0);
    expect(owed.due(100).map(({ key, journals }) => [key, journals])).toEqual([
      ["wal/2", [1]],
      ["wal/3", []],
    ]);
  });

  test("what was settled as late stays owed if it became known as damaged meanwhile", () => {
    const owed = new OwedCopies();
    owed.add(copyOf(1), 0);
    owed.add(copyOf(1, { doubt: "damaged" }), 0);
    owed.settle(copyOf(1));
    expect(owed.size).toBe(1);
    owed.settle(copyOf(1, { doubt: "damaged" }));
    expect(owed.size).toBe(0);
  });

  test("its memory is bounded: beyond it the store is listed, some time later", () => {
    const owed = new OwedCopies();
    for (let n = 0; n < OWED_COPIES_MAX + 5; n++) owed.add(copyOf(n, { doubt: "missing" }), 0);
    expect(owed.size).toBe(OWED_COPIES_MAX);
    expect(owed.total(0).objects).toBe(OWED_COPIES_MAX + 5);
    expect(owed.isListed).toBe(false);
    expect(owed.isListingDue(OWED_COPY_RETRY_MS - 1)).toBe(false);
    expect(owed.isListingDue(OWED_COPY_RETRY_MS)).toBe(true);
  });

  test("a listing begins anew, but for what it does not show", () => {
    const owed = new OwedCopies();
    const reference = { key: "journals/x", byteLength: 10, hash: new Uint8Array(32), copies: [0] };
    owed.add(copyOf(1), 0);
    owed.add(copyOf(2, { doubt: "missing" }), 0);
    owed.add(copyOf(3, { doubt: "damaged" }), 0);
    owed.add(copyOf(4, { doubt: "missing", reference }), 0);
    owed.requestListing("led", 0);
    owed.requestListing("opened", 5);
    owed.requestListing("led", 7);
    expect(owed.beginListing(0, SERVICE_MS)).toEqual({ scope: "opened" });
    expect(owed.due(1_000).map(({ key }) => key)).toEqual(["wal/3", "wal/4"]);
    expect(owed.isListed).toBe(false);
    owed.endListing();
    expect(owed.isListed).toBe(true);
  });

  test("a listing that is asked for while one is under way is still due after it", () => {
    const owed = new OwedCopies();
    owed.requestListing("led", 0);
    owed.beginListing(0, SERVICE_MS);
    owed.requestListing("led", 1);
    owed.endListing();
    expect(owed.isListed).toBe(false);
    expect(owed.isListingDue(1)).toBe(true);
  });

  test("what is new by then is looked at again when all flushes of the time have ended, once", () => {
    const owed = new OwedCopies();
    owed.requestListing("led", 0);
    owed.beginListing(0, SERVICE_MS);
    owed.endListing();
    expect(owed.isListingDue(FLUSH_TIMEOUT_MS - 1)).toBe(false);
    expect(owed.isListingDue(FLUSH_TIMEOUT_MS)).toBe(true);
    expect(owed.isListed).toBe(true);
    const listing = owed.beginListing(FLUSH_TIMEOUT_MS, SERVICE_MS + FLUSH_TIMEOUT_MS);
    expect(listing).toEqual({ scope: "led", writtenSinceMs: SERVICE_MS - RELIST_MARGIN_MS });
    owed.endListing();
    expect(owed.isListingDue(Number.MAX_SAFE_INTEGER)).toBe(false);
  });
});
