import { crc32 } from "node:zlib";
import { buildBatch } from "#lib/record/batch-builder.ts";
import { type BatchRules, validateBatch } from "#lib/record/batch-validator.ts";
import { crc32c, crc32cByTable } from "#lib/record/crc32c.ts";
import type { Measured } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";
import { microsPerOperation } from "../support/timing.ts";

const RULES: BatchRules = {
  produceVersion: 13,
  messageBytesMax: 1_048_588,
  timestampType: "CreateTime",
  nowMs: 2_000,
  timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  timestampAfterMaxMs: 3_600_000,
};
const BATCH_BYTES = [1_024, 16_384, 131_072];

/** What each batch costs at the door. */
export const recordSuite: BenchSuite = {
  name: "record",
  what: "checks of a produced batch, beside its checksum alone; checksums beside zlib's",
  async run({ isSmall, repeats, wants }) {
    const measured: Measured[] = [];
    const row = { unit: "us", better: "lower" } as const;
    for (const byteLength of BATCH_BYTES) {
      const batch = batchOf(byteLength);
      const count = Math.ceil((isSmall ? 2_000_000 : 500_000_000) / byteLength);
      const timed = (work: () => void) =>
        microsPerOperation({ count, repeats }, (times) => {
          for (let i = 0; i < times; i++) work();
        });
      const validate = `validate ${byteLength} bytes, CRC-32C alone`;
      if (wants(validate)) {
        const ours = await timed(() => validateBatch(batch, RULES));
        measured.push({ ...row, name: validate, ours, reference: await timed(() => crc32c(batch)) });
      }
      const sum = `CRC-32C of ${byteLength} bytes, zlib's CRC-32`;
      if (wants(sum)) {
        const ours = await timed(() => crc32c(batch));
        measured.push({ ...row, name: sum, ours, reference: await timed(() => crc32(batch)) });
      }
    }
    const table = "CRC-32C of 16384 bytes by table, native";
    if (wants(table)) {
      const bytes = batchOf(16_384);
      const how = { count: isSmall ? 100 : 5_000, repeats };
      const ours = await microsPerOperation(how, (times) => sumTimes(crc32cByTable, bytes, times));
      measured.push({
        ...row,
        name: table,
        ours,
        reference: await microsPerOperation(how, (times) => sumTimes(crc32c, bytes, times)),
      });
    }
    return measured;
  },
};

function sumTimes(sum: (bytes: Uint8Array) => number, bytes: Uint8Array, times: number): void {
  for (let i = 0; i < times; i++) sum(bytes);
}

/** One record that fills the batch. */
function batchOf(byteLength: number): Uint8Array {
  return buildBatch([{ timestampMs: 1_000, key: null, value: Buffer.alloc(byteLength - 72, 7), headers: [] }]);
}
