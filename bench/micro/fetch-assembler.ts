import { wholeEntry } from "#lib/log/entry-index.ts";
import { type AssembleCheck, assembleRange } from "#lib/log/fetch-assembler.ts";
import { entryOf, storedBatch } from "../../test/log/fetch-fixtures.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { microsPerOperation } from "../support/timing.ts";

const RANGE_BYTES = 1_000_000;
const SHAPES: readonly { readonly batchBytes: number; readonly check: AssembleCheck }[] = [
  { batchBytes: 200, check: "lengths" },
  { batchBytes: 16_384, check: "lengths" },
  { batchBytes: 131_072, check: "lengths" },
  { batchBytes: 131_072, check: "sums" },
];

/** From stored to fetched bytes: what a fetch of a megabyte costs beside copying that megabyte. */
export const fetchAssemblerSuite: BenchSuite = {
  name: "fetch-assembler",
  what: "a megabyte of stored batches given its offsets, beside one copy of it",
  async run({ isSmall, repeats, wants }) {
    const measured: Measured[] = [];
    for (const { batchBytes, check } of SHAPES) {
      const name = `assemble 1 MB of ${batchBytes}-byte batches, checking ${check}; a copy`;
      if (!wants(name)) continue;
      const batch = storedBatch({ valueBytes: batchBytes - 72 });
      const batches = new Array<Uint8Array>(Math.ceil(RANGE_BYTES / batch.byteLength)).fill(batch);
      const range = wholeEntry(entryOf(batches, { baseOffset: 1_000 }));
      const bytes = Buffer.concat(batches);
      const how = { count: isSmall ? 20 : 2_000, repeats };
      const ours = await microsPerOperation(how, (times) => {
        for (let i = 0; i < times; i++) assembleRange(range, [bytes], check);
      });
      const reference = await microsPerOperation(how, (times) => {
        for (let i = 0; i < times; i++) Buffer.from(bytes);
      });
      measured.push({ name, unit: "us", better: "lower", ours, reference });
    }
    return measured;
  },
};
