import { describe, expect, test } from "vitest";
import { LaneQueue } from "#lib/journal/lane-queue.ts";

const all = () => true;
const items = (places: readonly { readonly item: string | undefined }[]) => places.map((place) => place.item);

function put(queue: LaneQueue<string>, lane: string, item: string) {
  const place = queue.reserve(lane);
  queue.fill(place, item);
  return place;
}

describe("lanes", () => {
  test("keep their order and do not wait for each other", () => {
    const queue = new LaneQueue<string>();
    const slow = queue.reserve("slow");
    put(queue, "slow", "s2");
    put(queue, "quick", "q1");
    put(queue, "quick", "q2");
    expect(items(queue.take(all))).toEqual(["q1", "q2"]);
    expect(items(queue.take(all))).toEqual([]);
    queue.fill(slow, "s1");
    expect(items(queue.take(all))).toEqual(["s1", "s2"]);
  });

  test("move on when a place is given up", () => {
    const queue = new LaneQueue<string>();
    const first = queue.reserve("x");
    put(queue, "x", "second");
    queue.remove(first);
    expect(items(queue.take(all))).toEqual(["second"]);
  });

  test("are given up in little time, however many wait", () => {
    const queue = new LaneQueue<string>();
    const places = Array.from({ length: 100_000 }, () => put(queue, "x", "item"));
    const last = put(queue, "x", "last");
    const beganAtMs = performance.now();
    for (const place of places) queue.remove(place);
    expect(performance.now() - beganAtMs).toBeLessThan(2_000);
    expect(queue.take(all)).toEqual([last]);
  });

  test("take turns when a record is full", () => {
    const queue = new LaneQueue<string>();
    for (const item of ["a1", "a2", "a3"]) put(queue, "a", item);
    for (const item of ["b1", "b2"]) put(queue, "b", item);
    const two = () => {
      let left = 2;
      return () => left-- > 0;
    };
    expect(items(queue.take(two()))).toEqual(["a1", "a2"]);
    expect(items(queue.take(two()))).toEqual(["b1", "b2"]);
    expect(items(queue.take(two()))).toEqual(["a3"]);
  });

  test("take back what was taken, in front of what came meanwhile", () => {
    const queue = new LaneQueue<string>();
    put(queue, "a", "a1");
    put(queue, "a", "a2");
    const taken = queue.take(all);
    put(queue, "a", "a3");
    queue.putBack(taken);
    expect(items(queue.take(all))).toEqual(["a1", "a2", "a3"]);
  });
});
