import fc from "fast-check";
import type { Offset } from "#lib/util/branded.ts";
import { type CraftedBatch, dataBatch, emptyBatch, markerBatch } from "./crafted-batches.ts";

export interface Run {
  readonly baseOffset: Offset;
  readonly batches: readonly CraftedBatch[];
  readonly intervalBytes: number;
  readonly isCleaned: boolean;
}

const START_MS = 1_700_000_000_000;

const timestamp = fc.oneof(
  { weight: 1, arbitrary: fc.constant(-1) },
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 40 }).map((step) => START_MS + step * 10) },
);

const plan = fc.record({
  kind: fc.constantFrom("data", "data", "data", "transactional", "empty", "commit", "abort"),
  timestamps: fc.array(timestamp, { minLength: 1, maxLength: 4 }),
  valueBytes: fc.constantFrom(0, 20, 300),
  codec: fc.constantFrom("none", "gzip", "zstd"),
  producerId: fc.integer({ min: 0, max: 2 }),
  gap: fc.constantFrom(0, 0, 1, 5),
  missing: fc.constantFrom(0, 0, 3),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

/** Batch runs of all kinds; with holes if they are cleaned. */
export const arbitraryRun: fc.Arbitrary<Run> = fc
  .record({
    baseOffset: fc.constantFrom(0, 1_000, 2 ** 40),
    plans: fc.array(plan, { minLength: 1, maxLength: 30 }),
    intervalBytes: fc.constantFrom(0, 200, 1_000, 4_096),
    isCleaned: fc.boolean(),
  })
  .map(({ baseOffset, plans, intervalBytes, isCleaned }) => {
    let nextOffset = baseOffset;
    const batches: CraftedBatch[] = [];
    for (const each of plans) {
      const batch = craft(nextOffset + (isCleaned ? each.gap : 0), each, isCleaned);
      batches.push(batch);
      nextOffset = batch.lastOffset + 1;
    }
    return { baseOffset, batches, intervalBytes, isCleaned };
  });

function craft(baseOffset: Offset, each: Plan, isCleaned: boolean): CraftedBatch {
  const [timestampMs = -1] = each.timestamps;
  const { producerId, timestamps, valueBytes, codec } = each;
  switch (each.kind) {
    case "commit":
    case "abort":
      return markerBatch(baseOffset, { kind: each.kind, producerId, timestampMs });
    case "empty":
      return emptyBatch(baseOffset, timestamps.length, timestampMs);
    default: {
      const missing = isCleaned ? each.missing : 0;
      const batch = { timestamps, valueBytes, codec, missing };
      return dataBatch(baseOffset, each.kind === "data" ? batch : { ...batch, producerId });
    }
  }
}
