import { crc32c } from "#lib/record/crc32c.ts";
import type { TimestampMs } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { JOURNAL_RECORD_BYTES_MAX } from "#lib/util/limits.ts";

// One record of a journal: commands in the order in which they are folded.
//
//   0        4  magic "MRJ1" (the digit is the version of this format)
//   4        4  checksum of all that was folded before this record (see `FoldedState`)
//   8           commands, at least one, each
//                 16  command id, random: tells this very proposal from any other
//                  8  proposed at, ms since the epoch by the journal service's clock
//                  1  kind: 0 command of the state machine, 1 feature level, 3 command in an object
//                  4  body length
//                  n  body
//                       kind 0: as the state machine encodes it
//                       kind 1: int32, the level that every process must understand from here on
//                       kind 3: 8 number up to which its proposer had folded when it began to upload the object,
//                               object reference (journal-objects.ts); the object holds the body of a kind 0
//   end - 4  4  CRC-32C of everything before it
//
// Numbers are big-endian. Kind 2 had no number to be refused by and is read no more.

const MAGIC = 0x4d524a31;
const HEADER_BYTES = 8;
const TRAILER_BYTES = 4;
const ENVELOPE_BYTES = 16 + 8 + 1 + 4;
const COMMAND_ID_BYTES = 16;

export const COMMAND_KIND = { machine: 0, featureLevel: 1, object: 3 } as const;
export type CommandKind = (typeof COMMAND_KIND)[keyof typeof COMMAND_KIND];

/** What the commands of one record may take together, envelopes included. */
export const RECORD_COMMANDS_BYTES_MAX = JOURNAL_RECORD_BYTES_MAX - HEADER_BYTES - TRAILER_BYTES;

export interface CommandEnvelope {
  readonly id: Uint8Array;
  readonly proposedAtMs: TimestampMs;
  readonly kind: CommandKind;
  readonly body: Uint8Array;
}

export interface CommandRecord {
  /** The proposer's checksum of all that came before. */
  readonly checksumBefore: number;
  readonly commands: readonly CommandEnvelope[];
  /** The record's own checksum: part of the chain that the next one carries. */
  readonly checksum: number;
  readonly byteLength: number;
}

export interface EnvelopeFields {
  readonly id: Uint8Array;
  readonly proposedAtMs: TimestampMs;
  readonly kind: CommandKind;
}

/** Encodes one command with its envelope. `scratch` is cleared first; the result is a copy. */
export function encodeEnvelope(
  fields: EnvelopeFields,
  encodeBody: (writer: ByteWriter) => void,
  scratch: ByteWriter,
): Uint8Array {
  scratch.clear().bytes(fields.id).int64(fields.proposedAtMs).uint8(fields.kind);
  const lengthAt = scratch.skip(4);
  encodeBody(scratch);
  scratch.patchUint32(lengthAt, scratch.length - ENVELOPE_BYTES);
  return scratch.toBytes();
}

/** The body inside an encoded envelope, as a view. */
export function envelopeBody(encoded: Uint8Array): Uint8Array {
  return encoded.subarray(ENVELOPE_BYTES);
}

/** Puts encoded envelopes into one record. */
export function encodeRecord(checksumBefore: number, envelopes: readonly Uint8Array[]): Uint8Array {
  let byteLength = HEADER_BYTES + TRAILER_BYTES;
  for (const envelope of envelopes) byteLength += envelope.byteLength;
  // Inlined batches are kept as views into the record, so it gets memory of its own rather than a piece of a pool.
  const bytes = Buffer.allocUnsafeSlow(byteLength);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt32BE(checksumBefore, 4);
  let at = HEADER_BYTES;
  for (const envelope of envelopes) {
    bytes.set(envelope, at);
    at += envelope.byteLength;
  }
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, at)), at);
  return bytes;
}

/** Bodies are views into `bytes`. Throws `DecodeError`. */
export function decodeRecord(bytes: Uint8Array): CommandRecord {
  const end = bytes.byteLength - TRAILER_BYTES;
  if (end < HEADER_BYTES + ENVELOPE_BYTES) throw new DecodeError("too short for a journal record");
  const checksum = new ByteReader(bytes.subarray(end)).uint32();
  const content = bytes.subarray(0, end);
  const reader = new ByteReader(content);
  if (reader.uint32() !== MAGIC) throw new DecodeError("not a journal record of version 1");
  if (crc32c(content) !== checksum) throw new DecodeError("its checksum does not match its bytes");
  const checksumBefore = reader.uint32();
  const commands: CommandEnvelope[] = [];
  while (reader.remaining > 0) commands.push(decodeEnvelope(reader));
  return { checksumBefore, commands, checksum, byteLength: bytes.byteLength };
}

function decodeEnvelope(reader: ByteReader): CommandEnvelope {
  const id = reader.bytes(COMMAND_ID_BYTES);
  const proposedAtMs = reader.int64();
  const kind = reader.uint8();
  if (kind !== 0 && kind !== 1 && kind !== 3) throw new DecodeError(`command kind ${kind} is unknown`);
  return { id, proposedAtMs, kind, body: reader.bytes(reader.uint32()) };
}

export function encodeFeatureLevel(level: number, writer: ByteWriter): void {
  writer.int32(level);
}

export function decodeFeatureLevel(body: Uint8Array): number {
  const reader = new ByteReader(body);
  const level = reader.int32();
  reader.end();
  return level;
}
