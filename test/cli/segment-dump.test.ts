import { describe, expect, test } from "vitest";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { patchBaseOffset } from "#lib/record/record-batch.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import { dumpIndex, dumpLog } from "../../bin/cli/segment-dump.ts";

const BASE = 1_000;

function segment() {
  const builder = new SegmentBuilder({ baseOffset: BASE, indexIntervalBytes: 1 });
  for (const at of [0, 1, 2]) {
    const headers = [{ key: "h", value: Buffer.from("1") }];
    const batch = buildBatch([{ timestampMs: 5_000 + at, key: null, value: Buffer.from([at]), headers }], {
      partitionLeaderEpoch: 0,
    });
    patchBaseOffset(batch, 0, BASE + at);
    builder.add([batch]);
  }
  const files = builder.finish();
  return { ...files, log: joinChunks(files.log) };
}

describe("a log", () => {
  test("has a line for each batch and one for each record", () => {
    const { log } = segment();
    const lines = [...dumpLog(log, { isDeep: true })];
    expect(lines).toHaveLength(6);
    expect(lines[2]).toMatch(
      /^baseOffset: 1001 lastOffset: 1001 count: 1 .* position: \d+ CreateTime: 5001 .* isvalid: true$/,
    );
    // What is no printable text is shown as hexadecimal digits.
    expect(lines[3]).toBe(
      "| offset: 1001 CreateTime: 5001 keySize: -1 valueSize: 1 headerKeys: [h=1] key: null payload: 0x01",
    );
    expect([...dumpLog(log, { isDeep: false })]).toHaveLength(3);
  });

  test("with a flipped byte, or cut short, is shown as far as it goes", () => {
    const { log } = segment();
    const flipped = Uint8Array.from(log);
    flipped[log.byteLength - 1] = 0xff;
    expect([...dumpLog(flipped, { isDeep: false })].at(-1)).toContain("isvalid: false");
    const cut = [...dumpLog(log.subarray(0, log.byteLength - 1), { isDeep: false })];
    expect(cut).toHaveLength(3);
    expect(cut.at(-1)).toMatch(/^the \d+ bytes from position \d+ on are no whole batch$/);
  });
});

describe("an index", () => {
  test("has a line for each entry, and none for what Kafka allots ahead", () => {
    const { index, timeIndex } = segment();
    const allotted = (bytes: Uint8Array) => Buffer.concat([bytes, new Uint8Array(240)]);
    const offsets = [...dumpIndex(index, "index", BASE)];
    expect(offsets[0]).toMatch(/^offset: 1001 position: \d+$/);
    expect(offsets).toHaveLength(2);
    expect([...dumpIndex(allotted(index), "index", BASE)]).toEqual(offsets);
    const times = [...dumpIndex(timeIndex, "timeindex", BASE)];
    expect(times.at(-1)).toBe("timestamp: 5002 offset: 1002");
    expect([...dumpIndex(allotted(timeIndex), "timeindex", BASE)]).toEqual(times);
  });
});
