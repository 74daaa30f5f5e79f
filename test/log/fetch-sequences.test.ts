import { expect, test } from "vitest";
import { FetchSequences } from "#lib/log/fetch-sequences.ts";
import { READ_OBJECTS_REMEMBERED_MAX } from "#lib/util/limits.ts";

test("a fetch that begins where one of the same partition ended is one in sequence, once", () => {
  const sequences = new FetchSequences(100);
  expect(sequences.goesOn("a", { fetchOffset: 0, nextOffset: 10 })).toBe(false);
  expect(sequences.goesOn("b", { fetchOffset: 10, nextOffset: 20 })).toBe(false);
  expect(sequences.goesOn("a", { fetchOffset: 10, nextOffset: 20 })).toBe(true);
  expect(sequences.goesOn("a", { fetchOffset: 10, nextOffset: 20 })).toBe(false);
  expect(sequences.goesOn("a", { fetchOffset: 20, nextOffset: 30 })).toBe(true);
});

test("nothing is read ahead for who comes so late that others have driven it out", () => {
  const sequences = new FetchSequences(100);
  sequences.goesOn("a", { fetchOffset: 0, nextOffset: 10 });
  sequences.readsAhead(100);
  expect(sequences.goesOn("a", { fetchOffset: 10, nextOffset: 20 })).toBe(true);
  sequences.readsAhead(101);
  expect(sequences.goesOn("a", { fetchOffset: 20, nextOffset: 30 })).toBe(false);
  expect(sequences.goesOn("a", { fetchOffset: 30, nextOffset: 40 })).toBe(true);
});

test("the ends that are remembered are bounded, the oldest go first", () => {
  const sequences = new FetchSequences(100);
  for (let n = 0; n <= READ_OBJECTS_REMEMBERED_MAX; n++) sequences.goesOn(`${n}`, { fetchOffset: 0, nextOffset: 1 });
  expect(sequences.goesOn("0", { fetchOffset: 1, nextOffset: 2 })).toBe(false);
  expect(sequences.goesOn("2", { fetchOffset: 1, nextOffset: 2 })).toBe(true);
});
