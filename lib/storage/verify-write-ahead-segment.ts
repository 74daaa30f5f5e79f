import { crc32c } from "#lib/record/crc32c.ts";
import { ATTRIBUTES_AT, MAGIC_V2, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import type { FlushId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import {
  parseWriteAheadFooter,
  parseWriteAheadHeader,
  sumHeads,
  WRITE_AHEAD_HEADER_BYTES,
  type WriteAheadFooter,
  type WriteAheadFooterPart,
} from "./write-ahead-segment.ts";

/** One thing that is wrong with an object. */
export interface SegmentFinding {
  /** Where in the object, in bytes; the nearest that is known. */
  readonly position: number;
  readonly problem: string;
}

/**
 * Checks every byte of a write-ahead segment: all four kinds of checksum, the batches' own, and that the parts fill the
 * body. No findings: the object is exactly what was sealed. `expected`: the flush that its key or record names.
 */
export function verifyWriteAheadSegment(object: Uint8Array, expected?: FlushId): readonly SegmentFinding[] {
  const findings: SegmentFinding[] = [];
  const headerFlush = attempt(findings, 0, () => parseWriteAheadHeader(object));
  const footer = attempt(findings, object.byteLength, () => parseWriteAheadFooter(object));
  for (const flushId of [headerFlush, footer?.flushId]) {
    if (flushId !== undefined && expected !== undefined && flushId !== expected) {
      findings.push({ position: 0, problem: `belongs to flush ${flushId}, not ${expected}` });
    }
  }
  if (footer === undefined) return findings;
  if (headerFlush !== undefined && headerFlush !== footer.flushId) {
    findings.push({ position: footer.footerPosition, problem: "header and footer name different flushes" });
  }
  verifyLayout(findings, footer);
  for (const part of footer.parts) verifyPart(findings, object, part);
  return findings;
}

function verifyLayout(findings: SegmentFinding[], footer: WriteAheadFooter): void {
  let position = WRITE_AHEAD_HEADER_BYTES;
  for (const part of footer.parts) {
    if (part.position !== position) findings.push({ position, problem: `${nameOf(part)} begins at ${part.position}` });
    position = part.position + part.byteLength;
  }
  if (position !== footer.footerPosition) findings.push({ position, problem: "the parts do not fill the body" });
}

function verifyPart(findings: SegmentFinding[], object: Uint8Array, part: WriteAheadFooterPart): void {
  const bytes = object.subarray(part.position, part.position + part.byteLength);
  const split = attempt(findings, part.position, () => splitBatches(bytes));
  if (split === undefined) return;
  if (split.tailBytes !== 0 || split.batches.length !== part.batchCount) {
    const problem = `${nameOf(part)} holds ${split.batches.length} batches and ${split.tailBytes} bytes, not ${part.batchCount} batches`;
    findings.push({ position: part.position, problem });
    return;
  }
  if (sumHeads(split.batches) !== part.headsCrc) {
    findings.push({ position: part.position, problem: `${nameOf(part)}: the checksum of its batches' heads is wrong` });
  }
  let position = part.position;
  for (const batch of split.batches) {
    const header = readBatchHeader(batch);
    if (header.magic !== MAGIC_V2) findings.push({ position, problem: `batch with magic ${header.magic}` });
    else if (crc32c(batch.subarray(ATTRIBUTES_AT)) !== header.crc)
      findings.push({ position, problem: "batch with a wrong CRC" });
    else if (header.baseOffset !== 0)
      findings.push({ position, problem: `batch with base offset ${header.baseOffset}` });
    position += batch.byteLength;
  }
}

function nameOf(part: WriteAheadFooterPart): string {
  return `part ${part.topicId}-${part.partitionIndex}`;
}

function attempt<T>(findings: SegmentFinding[], position: number, parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    findings.push({ position, problem: error.message });
    return undefined;
  }
}
