import type { JournalSeq } from "#lib/util/branded.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import { LARGE_COMMAND_RECORDS_MAX } from "#lib/util/limits.ts";
import type { CommandRecord } from "./command-record.ts";
import { COMMAND_KIND } from "./command-record.ts";
import type { JournalObjectRef } from "./journal-objects.ts";
import { decodeObjectRef, encodeObjectRef } from "./journal-objects.ts";

/** Where the body of a command lies that is too large for a record. */
export interface CommandObject {
  /** How far its proposer had folded when it began to upload it; the object's name says so too. */
  readonly foldedSeq: JournalSeq;
  readonly object: JournalObjectRef;
}

export function encodeCommandObject({ foldedSeq, object }: CommandObject, writer: ByteWriter): void {
  encodeObjectRef(object, writer.int64(foldedSeq));
}

/** Throws `DecodeError`. */
export function decodeCommandObject(body: Uint8Array): CommandObject {
  const reader = new ByteReader(body);
  const foldedSeq = reader.int64();
  const object = decodeObjectRef(reader);
  reader.end();
  return { foldedSeq, object };
}

/**
 * Whether the command comes to stand so late, in record `seq`, that its object may have been taken for garbage: then nobody
 * reads it, and it is refused. Records decide that, not clocks, so all who fold agree, however long the proposer slept.
 */
export function isTooLate({ foldedSeq }: Pick<CommandObject, "foldedSeq">, seq: JournalSeq): boolean {
  return seq > foldedSeq + LARGE_COMMAND_RECORDS_MAX;
}

/** What has to be read before the record `seq` can be folded: objects by the index of their command. Throws `DecodeError`. */
export function objectsToRead(record: CommandRecord, seq: JournalSeq): ReadonlyMap<number, JournalObjectRef> {
  const objects = new Map<number, JournalObjectRef>();
  for (const [index, { kind, body }] of record.commands.entries()) {
    if (kind !== COMMAND_KIND.object) continue;
    const command = decodeCommandObject(body);
    if (!isTooLate(command, seq)) objects.set(index, command.object);
  }
  return objects;
}
