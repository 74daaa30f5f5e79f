import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  SEGMENT_SUFFIXES,
  type SegmentDirectoryParts,
  segmentDirectory,
  segmentFileKey,
} from "#lib/storage/object-keys.ts";
import { SegmentBuilder, type SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import type { CraftedBatch } from "./crafted-batches.ts";

/** A segment that begins with the first of the batches. */
export function buildSegment(batches: readonly CraftedBatch[], indexIntervalBytes?: number): SegmentFiles {
  const baseOffset = batches[0]?.baseOffset ?? 0;
  const builder = new SegmentBuilder({
    baseOffset,
    ...(indexIntervalBytes === undefined ? {} : { indexIntervalBytes }),
  });
  for (const { bytes } of batches) builder.add([bytes]);
  return builder.finish();
}

/** Writes a segment where a directory store with this root would have it. Answers the paths, that of the log first. */
export function writeSegmentFiles(root: string, parts: SegmentDirectoryParts, files: SegmentFiles): readonly string[] {
  const bytes = {
    log: Buffer.concat(files.log),
    index: files.index,
    timeindex: files.timeIndex,
    txnindex: files.txnIndex,
  };
  const paths: string[] = [];
  for (const suffix of SEGMENT_SUFFIXES) {
    if (suffix === "txnindex" && files.txnIndex.byteLength === 0) continue;
    const path = join(root, segmentFileKey(segmentDirectory(parts), files.baseOffset, suffix));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes[suffix]);
    paths.push(path);
  }
  return paths;
}
