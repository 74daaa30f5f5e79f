import { crc32c } from "#lib/record/crc32c.ts";
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LOG_OVERHEAD_BYTES,
  MAGIC_AT,
  MAGIC_V2,
  PARTITION_LEADER_EPOCH_AT,
} from "#lib/record/record-batch.ts";
import type { ObjectKey, Offset } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { CorruptObjectError } from "../object-store.ts";
import { SegmentBuilder, type SegmentFiles } from "./segment-builder.ts";

// A segment's .log is the runs of its partition one behind the other, with offsets. Where both lie in one store, the bytes
// need not come to whoever wants the segment; the indexes, a thousandth of them, do.
//
//   wal/…   [  …  | run 1 |   …   ]   [ … | run 2 | … ]   [  …  | run 3 ]
//                     |                      |                      |       CRCs checked, offsets filled in
//   .log          [ run 1               | run 2               | run 3 ]

/** Batches next to each other. */
export interface LogRun {
  readonly baseOffset: Offset;
  /** Two uvarints for each batch, its bytes and its offsets; for one batch too. */
  readonly batches: Uint8Array;
}

/** As they are stored in an object: with base offset 0. */
export interface StoredRun extends LogRun {
  readonly key: ObjectKey;
  readonly position: number;
  readonly byteLength: number;
}

/** Of no object: a few batches between others may lie in a journal. */
export interface GivenRun extends LogRun {
  readonly bytes: Uint8Array;
}

export interface LogRecipe {
  readonly baseOffset: Offset;
  /** At least one, ascending. */
  readonly runs: readonly (StoredRun | GivenRun)[];
}

export function isStored(run: StoredRun | GivenRun): run is StoredRun {
  return "key" in run;
}

/** The runs that the store itself has. */
export function storedRuns({ runs }: LogRecipe): readonly StoredRun[] {
  return runs.filter(isStored);
}

/** Of the log that it makes. */
export function recipeBytes({ runs }: LogRecipe): number {
  return runs.reduce((sum, run) => sum + (isStored(run) ? run.byteLength : run.bytes.byteLength), 0);
}

/** What there is to say of a .log that was written: all of a segment but the bytes of the log. */
export type ComposedLog = Omit<SegmentFiles, "log">;

export interface ComposePorts {
  /** The bytes of the run, which may be changed, and are not looked at any more when the next run is read. */
  readonly read: (run: StoredRun) => Buffer;
  /** Takes the next bytes of the log, for this call only. */
  readonly append: (bytes: Uint8Array) => void;
}

/** Makes a log run by run. Fails with `CorruptObjectError` if bytes are not what the recipe says, and as the ports do. */
export function composeLog({ baseOffset, runs }: LogRecipe, { read, append }: ComposePorts): ComposedLog {
  const composition = new LogComposition(baseOffset);
  for (const run of runs) {
    const bytes = isStored(run) ? read(run) : Buffer.from(run.bytes);
    composition.add(run, bytes);
    append(bytes);
  }
  return composition.finish();
}

/** A log whose runs come one after the other. */
export class LogComposition {
  readonly #builder: SegmentBuilder;

  constructor(baseOffset: Offset) {
    this.#builder = new SegmentBuilder({ baseOffset });
  }

  /** Gives the next run its offsets, in place. Fails with `CorruptObjectError` if the bytes are not what is said of them. */
  add(run: StoredRun | GivenRun, bytes: Buffer): void {
    placeRun(run, bytes);
    this.#builder.add([bytes]);
  }

  finish(): ComposedLog {
    const { log: _bytesThatAreGone, ...composed } = this.#builder.finish();
    return composed;
  }
}

/** Holds the batches against what is said of them, and gives them their offsets and leader epoch 0, in place. */
function placeRun(run: StoredRun | GivenRun, bytes: Buffer): void {
  const sizes = new ByteReader(run.batches);
  let baseOffset = run.baseOffset;
  let at = 0;
  while (sizes.remaining > 0) {
    const byteLength = sizes.uvarint();
    const offsetCount = sizes.uvarint();
    const problem = problemOf(bytes.subarray(at, at + byteLength), byteLength, offsetCount);
    if (problem !== undefined) throw corrupt(run, at, `a batch ${problem}`);
    bytes.writeUInt32BE(Math.floor(baseOffset / 0x1_0000_0000), at + BASE_OFFSET_AT);
    bytes.writeUInt32BE(baseOffset >>> 0, at + BASE_OFFSET_AT + 4);
    bytes.writeInt32BE(0, at + PARTITION_LEADER_EPOCH_AT);
    baseOffset += offsetCount;
    at += byteLength;
  }
  if (at === bytes.byteLength) return;
  throw corrupt(run, 0, `a run has ${bytes.byteLength} bytes, its batches ${at}`);
}

function corrupt(run: StoredRun | GivenRun, at: number, what: string): Error {
  if (isStored(run)) return new CorruptObjectError(run.key, `at ${run.position + at} ${what}`);
  // Whoever has given it has looked at it.
  return new Error(`what was given from offset ${run.baseOffset} on is wrong at ${at}: ${what}`);
}

function problemOf(batch: Buffer, byteLength: number, offsetCount: number): string | undefined {
  if (byteLength < BATCH_HEADER_BYTES || batch.byteLength < byteLength) return "is cut short";
  const says = batch.readInt32BE(BATCH_LENGTH_AT) + LOG_OVERHEAD_BYTES;
  const offsets = batch.readInt32BE(LAST_OFFSET_DELTA_AT) + 1;
  const magic = batch[MAGIC_AT];
  if (says !== byteLength || offsets !== offsetCount || magic !== MAGIC_V2) {
    return `says magic ${magic}, ${says} bytes, ${offsets} offsets; the index ${byteLength} bytes, ${offsetCount} offsets`;
  }
  const expected = batch.readUInt32BE(CRC_AT);
  const sum = crc32c(batch.subarray(ATTRIBUTES_AT));
  return sum === expected ? undefined : `sums to ${sum}, not to ${expected}`;
}
