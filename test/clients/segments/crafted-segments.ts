import {
  type CraftedBatch,
  type DataBatch,
  dataBatch,
  emptyBatch,
  markerBatch,
} from "../../storage/segments/crafted-batches.ts";
import { buildSegment, writeSegmentFiles } from "../../storage/segments/segment-directory.ts";

const T = 1_700_000_000_000;

export interface CraftedSegment {
  readonly name: string;
  readonly batches: readonly CraftedBatch[];
  readonly indexIntervalBytes?: number;
}

export interface WrittenSegment extends CraftedSegment {
  readonly log: string;
  /** Those that there are. */
  readonly indexes: readonly string[];
}

/** Segments of every kind that a log may have. */
export function craftedSegments(): readonly CraftedSegment[] {
  return [
    { name: "none", batches: dataRun(0, 300, { valueBytes: 100 }) },
    { name: "gzip", batches: dataRun(1_000, 60, { codec: "gzip", valueBytes: 900 }) },
    { name: "snappy", batches: dataRun(1_000, 60, { codec: "snappy", valueBytes: 900 }) },
    { name: "lz4", batches: dataRun(1_000, 60, { codec: "lz4", valueBytes: 900 }) },
    { name: "zstd", batches: dataRun(1_000, 60, { codec: "zstd", valueBytes: 900 }) },
    { name: "large-batches", batches: dataRun(7, 12, { valueBytes: 150_000 }) },
    { name: "one-batch", batches: dataRun(3, 1, { valueBytes: 30 }) },
    { name: "far-offsets", batches: dataRun(2 ** 40, 80, { valueBytes: 200 }) },
    { name: "every-batch-indexed", batches: dataRun(0, 40, { valueBytes: 30 }), indexIntervalBytes: 0 },
    { name: "log-append-time", batches: dataRun(0, 80, { valueBytes: 300, logAppendTimeMs: T + 5_000 }) },
    { name: "no-timestamps", batches: dataRun(0, 80, { valueBytes: 300, timestamps: [-1, -1] }) },
    { name: "times-that-fall-back", batches: fallingTimes() },
    { name: "transactions", batches: transactions() },
    { name: "lost-records", batches: withEmptyBatches() },
    { name: "cleaned", batches: withHoles() },
    { name: "all-lost", batches: [emptyBatch(50, 1_000, T), emptyBatch(1_050, 3, T)] },
  ];
}

/** Writes the files where a directory store with this root would have them. */
export function writeSegment(root: string, crafted: CraftedSegment): WrittenSegment {
  const parts = { uploadEpoch: 497_000, attemptId: "ab".repeat(16), topic: crafted.name, partitionIndex: 0 };
  const [log = "", ...indexes] = writeSegmentFiles(
    root,
    parts,
    buildSegment(crafted.batches, crafted.indexIntervalBytes),
  );
  return { ...crafted, log, indexes };
}

/** The offsets of all records, in order. */
export function recordOffsets({ batches }: CraftedSegment): readonly number[] {
  return batches.flatMap(({ baseOffset, timestamps }) => timestamps.map((_, index) => baseOffset + index));
}

function dataRun(baseOffset: number, count: number, options: Partial<DataBatch>): readonly CraftedBatch[] {
  return Array.from({ length: count }, (_, index) => {
    const timestamps = [T + 3 * index, T + 3 * index + 1];
    return dataBatch(baseOffset + 2 * index, { timestamps, ...options });
  });
}

function fallingTimes(): readonly CraftedBatch[] {
  return Array.from({ length: 120 }, (_, index) => {
    const falling = T + 40_000 - 100 * (index % 40);
    return dataBatch(2 * index, { timestamps: [falling, falling + 7 * (index % 3)], valueBytes: 200 });
  });
}

function transactions(): readonly CraftedBatch[] {
  const batches: CraftedBatch[] = [];
  let offset = 500;
  const add = (batch: CraftedBatch): void => {
    batches.push(batch);
    offset = batch.lastOffset + 1;
  };
  for (let round = 0; round < 20; round++) {
    const timestampMs = T + round;
    for (const producerId of [1, 2, 3]) {
      add(dataBatch(offset, { timestamps: [timestampMs, timestampMs], producerId, valueBytes: 400 }));
    }
    add(markerBatch(offset, { kind: "abort", producerId: 2, timestampMs }));
    add(markerBatch(offset, { kind: "commit", producerId: 1, timestampMs }));
    if (round % 5 === 4) add(markerBatch(offset, { kind: "abort", producerId: 3, timestampMs }));
  }
  return batches;
}

function withEmptyBatches(): readonly CraftedBatch[] {
  const data = dataRun(110, 40, { valueBytes: 300 });
  // Their timestamps are the largest of all, and count for none.
  return [emptyBatch(100, 10, T + 90_000), ...data, emptyBatch(190, 70, T + 99_000)];
}

function withHoles(): readonly CraftedBatch[] {
  return Array.from({ length: 60 }, (_, index) => {
    const timestamps = [T + index, T + index];
    return dataBatch(2_000 + 10 * index, { timestamps, valueBytes: 300, missing: index % 4, codec: "zstd" });
  });
}
