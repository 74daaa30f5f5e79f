import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { decodeNumbers, encodeNumbers } from "./codec-fields.ts";
import type { LogSegment } from "./log-state.ts";

// A log segment, in commands and in snapshots alike.
//
//   segment   baseOffset uvarint, offsetCount uvarint, directory text, byteLength uvarint, indexByteLength uvarint,
//             timeIndexByteLength uvarint, txnIndexByteLength uvarint, maxTimestampMs int64, appendedAtMs int64,
//             flags uint8, copies list of uvarint          flags: bit 0 cleaned; no copies: lost

const CLEANED_BIT = 0x01;

export function encodeSegment(segment: LogSegment, writer: ByteWriter): void {
  writer.uvarint(segment.baseOffset).uvarint(segment.nextOffset - segment.baseOffset);
  writer.text(segment.directory).uvarint(segment.byteLength).uvarint(segment.indexByteLength);
  writer.uvarint(segment.timeIndexByteLength).uvarint(segment.txnIndexByteLength);
  writer.int64(segment.maxTimestampMs).int64(segment.appendedAtMs);
  encodeNumbers(segment.copies, writer.uint8(segment.isCleaned ? CLEANED_BIT : 0));
}

export function decodeSegment(reader: ByteReader): LogSegment {
  const baseOffset = reader.uvarint();
  return {
    baseOffset,
    nextOffset: baseOffset + reader.uvarint(),
    directory: reader.text(),
    byteLength: reader.uvarint(),
    indexByteLength: reader.uvarint(),
    timeIndexByteLength: reader.uvarint(),
    txnIndexByteLength: reader.uvarint(),
    maxTimestampMs: reader.int64(),
    appendedAtMs: reader.int64(),
    isCleaned: (reader.uint8() & CLEANED_BIT) !== 0,
    copies: decodeNumbers(reader),
  };
}
