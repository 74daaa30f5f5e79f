import type { LogSegment } from "#lib/log/log-state.ts";
import { isLost, segmentFiles } from "#lib/log/segments.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { ObjectNotFoundError, type ObjectStore } from "#lib/storage/object-store.ts";
import { verifySegment } from "#lib/storage/segments/verify-segment.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";

/** What is wrong with one file of a segment at one store. */
export interface SegmentFault {
  readonly key: ObjectKey;
  readonly kind: "missing" | "unreadable" | "damaged";
  readonly problem: string;
}

export interface CheckedSegment {
  readonly faults: readonly SegmentFault[];
  /** Of the files that could be read. */
  readonly objects: number;
  readonly bytes: number;
}

/** Reads every byte of a segment's files at one store. Has one segment in memory. Fails only with the signal's reason. */
export async function checkSegment(
  store: Pick<ObjectStore, "get">,
  segment: LogSegment,
  signal: AbortSignal,
): Promise<CheckedSegment> {
  if (isLost(segment)) return { faults: [], objects: 0, bytes: 0 };
  const faults: SegmentFault[] = [];
  const files = segmentFiles(segment);
  const read: (Uint8Array | undefined)[] = [];
  for (const { key } of files) {
    try {
      read.push(await store.get(key, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LogError)) throw error;
      const isMissing = error instanceof ObjectNotFoundError;
      const problem = isMissing ? "it does not exist" : describeError(error);
      faults.push({ key, kind: isMissing ? "missing" : "unreadable", problem });
      read.push(undefined);
    }
  }
  const [log, index, timeIndex, txnIndex = new Uint8Array(0)] = read;
  // One file that is not there makes the others neither better nor worse, but nothing can be held against it.
  if (log !== undefined && index !== undefined && timeIndex !== undefined && read.length === files.length) {
    for (const { file, position, problem } of verifySegment({ log: [log], index, timeIndex, txnIndex }, segment)) {
      const key = defined(files.find((each) => each.key.endsWith(`.${file}`)) ?? files[0]).key;
      faults.push({ key, kind: "damaged", problem: `byte ${position}: ${problem}` });
    }
  }
  const found = read.filter((bytes) => bytes !== undefined);
  return { faults, objects: found.length, bytes: found.reduce((sum, bytes) => sum + bytes.byteLength, 0) };
}
