import fc from "fast-check";
import { expect, test } from "vitest";
import { listUnordered, type PageRequest } from "#lib/adapters/aws/s3-listing.ts";

/** A directory bucket: pages of three in the order in which the keys are given; only whole folders as prefixes. */
function bucketOf(keys: readonly string[], seen: PageRequest[] = []) {
  return async (request: PageRequest) => {
    seen.push(request);
    expect(request.Prefix === "" || request.Prefix.endsWith("/")).toBe(true);
    expect(request.StartAfter).toBeUndefined();
    const found = keys.filter((key) => key.startsWith(request.Prefix));
    const from = Number(request.ContinuationToken ?? 0);
    const next = from + 3;
    return {
      $metadata: {},
      Contents: found.slice(from, next).map((Key) => ({ Key, Size: 1 })),
      IsTruncated: next < found.length,
      ...(next < found.length ? { NextContinuationToken: String(next) } : {}),
    };
  };
}

test("an unordered bucket is listed in the order of its keys, page by page as any other", async () => {
  const keyParts = fc.constantFrom("a", "b", "a-b", "a.b", "B", "0");
  const keys = fc.uniqueArray(fc.array(keyParts, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")));
  const prefixes = fc.constantFrom("", "a", "a/", "a/b", "b/");
  await fc.assert(
    fc.asyncProperty(keys, prefixes, fc.integer({ min: 1, max: 5 }), async (all, prefix, limit) => {
      const getPage = bucketOf(all.map((key) => `root/${key}`));
      const seen: string[] = [];
      let startAfter = "";
      for (let isTruncated = true; isTruncated; ) {
        const page = await listUnordered("root/", { prefix, startAfter, limit }, getPage);
        expect(page.objects.length).toBeLessThanOrEqual(limit);
        seen.push(...page.objects.map(({ key }) => key));
        isTruncated = page.isTruncated;
        startAfter = page.objects.at(-1)?.key ?? "";
      }
      expect(seen).toEqual(all.filter((key) => key.startsWith(prefix)).sort());
    }),
    { numRuns: 60 },
  );
});

test("only the folder of the prefix is read", async () => {
  const seen: PageRequest[] = [];
  await listUnordered("", { prefix: "wal/00", startAfter: "", limit: 9 }, bucketOf(["wal/001/a", "other/b"], seen));
  expect(seen.map(({ Prefix }) => Prefix)).toEqual(["wal/"]);
});
