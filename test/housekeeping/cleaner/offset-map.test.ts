import fc from "fast-check";
import { expect, test } from "vitest";
import { OffsetMap } from "#lib/housekeeping/cleaner/offset-map.ts";

const key = (text: string) => Buffer.from(text);

test("the last offset of each key is found, however many there are", () => {
  const map = new OffsetMap();
  for (let offset = 0; offset < 20_000; offset++) map.put(key(`key-${offset % 7_000}`), offset);
  expect(map.size).toBe(7_000);
  for (let index = 0; index < 7_000; index++) {
    expect(map.get(key(`key-${index}`))).toBe(index + (index < 6_000 ? 14_000 : 7_000));
  }
  expect(map.get(key("key-7000"))).toBe(-1);
  expect(map.get(key(""))).toBe(-1);
});

test("a full map takes no new key, and newer offsets of those that it has", () => {
  const map = new OffsetMap(2);
  expect([map.put(key("a"), 0), map.put(key("b"), 1), map.put(key("c"), 2), map.put(key("a"), 3)]).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect([map.get(key("a")), map.get(key("b")), map.get(key("c")), map.size]).toEqual([3, 1, -1, 2]);
  map.clear();
  expect([map.get(key("a")), map.size, map.put(key("c"), 9)]).toEqual([-1, 0, true]);
});

test("a table with room for the keys that come does not grow", () => {
  const map = new OffsetMap(50_000);
  map.reserve(20_000);
  const { slots } = map;
  for (let offset = 0; offset < 20_000; offset++) map.put(key(`key-${offset}`), offset);
  expect([map.slots, map.size]).toEqual([slots, 20_000]);
  map.clear();
  map.reserve(Number.MAX_SAFE_INTEGER);
  expect(map.slots).toBeLessThan(4 * 50_000);
});

test("it is a map of keys to offsets", () => {
  const keys = fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 3_000, size: "max" });
  fc.assert(
    fc.property(keys, (written) => {
      const map = new OffsetMap();
      const model = new Map<string, number>();
      for (const [offset, each] of written.entries()) {
        map.put(each, offset);
        model.set(Buffer.from(each).toString("hex"), offset);
      }
      expect(map.size).toBe(model.size);
      for (const [hex, offset] of model) expect(map.get(Buffer.from(hex, "hex"))).toBe(offset);
    }),
    { numRuns: 20 },
  );
});
