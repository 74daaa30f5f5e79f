import { describe, expect, test } from "vitest";
import { checkNoGaps } from "#lib/housekeeping/doctor/state-checks.ts";
import { partitionKey } from "#lib/log/log-state.ts";
import { segmentFiles, segmentKey } from "#lib/log/segments.ts";
import { defined } from "#lib/util/assert.ts";
import { objectKey } from "#lib/util/branded.ts";
import { TOPIC } from "../../log/log-fixtures.ts";
import { replaceOf, segmentOf } from "../../log/segment-commands.ts";
import { LANE, replicated } from "./replicated-world.ts";

/** Two entries as one segment in stores 0 and 1, and an entry behind it. */
async function compacted() {
  const world = await replicated();
  const replaced = [await world.flush([0, 1]), await world.flush([0, 1])];
  const segment = await world.compact([0, 1]);
  await world.flush([0, 1]);
  return { ...world, replaced, segment };
}

describe("a partition of segments", () => {
  test("has no finding, with entries behind them and without, and what they were made of is no orphan", async () => {
    const { examined, compact } = await compacted();
    const { found, tally } = await examined();
    expect(found).toEqual([]);
    expect(tally).toMatchObject({ segments: 1, orphans: 0, strangers: 0 });
    await compact([0, 1]);
    expect(await examined()).toMatchObject({ found: [], tally: { segments: 1, orphans: 0 } });
  });

  test("does not need what they were made of", async () => {
    const { examined, compact, services, replaced, segment } = await compacted();
    await compact([0, 1]);
    for (const key of [...replaced, ...segmentFiles(segment).map((file) => file.key)]) {
      for (const service of services) service.delete(key);
    }
    expect((await examined()).found).toEqual([]);
  });

  test("is told of a gap, an overlap, or a segment that ends before the log begins", async () => {
    const { log } = await compacted();
    const partition = defined(log.state.partitions.get(partitionKey(TOPIC, 0)));
    expect(checkNoGaps(partition)).toEqual([]);
    const [segment] = partition.segments;
    const withSegment = (fields: object) =>
      checkNoGaps({ ...partition, segments: [{ ...defined(segment), ...fields }] });
    expect(withSegment({ nextOffset: 1 })[0]).toContain("a gap: the entry at offset 2");
    expect(withSegment({ nextOffset: 3 })[0]).toContain("an overlap: the entry at offset 2");
    expect(withSegment({ baseOffset: 1 })[0]).toContain("the first segment begins at offset 1, the log at 0");
    expect(withSegment({ directory: "elsewhere" })[0]).toContain("no key of its own");
    expect(withSegment({ timeIndexByteLength: 13 })[0]).toContain(".timeindex of 13 bytes");
    expect(checkNoGaps({ ...partition, logStartOffset: 2 })[0]).toContain("ends at 2, the log begins at 2");
    // Every copy is lost, and somebody has said so.
    expect(withSegment({ copies: [], directory: "" })).toEqual([]);
  });

  test("is told of a record that brings one and contradicts itself", async () => {
    const { log, examined } = await compacted();
    await log.propose(replaceOf([], [segmentOf(5, 5)]), LANE);
    const { found } = await examined();
    expect(found.map(({ kind }) => kind)).toContain("segment-facts");
  });
});

describe("a segment", () => {
  test("of which a file is gone at one store is found there, and the other store is named", async () => {
    const { examined, services, segment } = await compacted();
    defined(services[1]).delete(segmentKey(segment, "log"));
    const { found, kinds } = await examined();
    expect(kinds).toEqual([`segment-missing store 1 object ${segmentKey(segment, "log")}`]);
    expect(found[0]?.remedy).toContain("store 0 has it");
  });

  test("whose index is another one's in every store is found, and can be mended by its log", async () => {
    const { examined, services, segment } = await compacted();
    for (const service of services.slice(0, 2)) service.damage(segmentKey(segment, "index"), 7);
    const { found, kinds } = await examined();
    expect(kinds).toEqual([0, 1].map((id) => `segment-damaged store ${id} object ${segmentKey(segment, "index")}`));
    expect(found[0]?.remedy).toContain("its log is whole");
  });

  test("with a flipped byte in its log is found, wherever it lies", async () => {
    const { examined, services, segment } = await compacted();
    for (let at = 0; at < segment.byteLength; at += 11) {
      defined(services[0]).damage(segmentKey(segment, "log"), at);
      expect((await examined()).kinds.join(), `byte ${at}`).toContain("segment-damaged store 0");
      defined(services[0]).damage(segmentKey(segment, "log"), at);
    }
    expect((await examined()).found).toEqual([]);
  });

  test("in a store that is away is counted with it", async () => {
    const { examined, log, compact } = await compacted();
    await log.propose({ kind: "alter-isr", expectedIsrEpoch: log.state.isrEpoch, isr: [2] }, LANE);
    await compact([2]);
    const { found } = await examined([2]);
    expect(found.map(({ kind, where }) => `${kind} ${where}`)).toEqual(["store-away store 2"]);
    expect(found[0]?.what).toContain("1 needed objects have copies there, 1 of them nowhere else");
  });
});

test("a segment that is replaced and deleted while doctor reads is no finding", async () => {
  const { examined, services, segment, compact } = await compacted();
  let isReplaced = false;
  const { found } = await examined([], async (key) => {
    if (isReplaced || key !== segmentKey(segment, "log")) return;
    isReplaced = true;
    await compact([0, 1]);
    for (const file of segmentFiles(segment)) for (const service of services) service.delete(file.key);
  });
  expect(isReplaced).toBe(true);
  expect(found).toEqual([]);
});

test("strangers' objects are named and counted, and are no findings", async () => {
  const { examined, services } = await compacted();
  defined(services[0]).put(objectKey("segments/notes.txt"), Buffer.from("mine"));
  const { found, notes, tally } = await examined();
  expect(found).toEqual([]);
  expect(notes).toMatchObject([{ kind: "stranger", where: "store 0 object segments/notes.txt" }]);
  expect(tally).toMatchObject({ strangers: 1, orphans: 0 });
});
