import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";

/** A count as uvarint, then the elements. */
export function readList<T>(reader: ByteReader, readElement: () => T): T[] {
  const count = reader.uvarint();
  // Each element takes a byte at least, so a damaged count cannot ask for more memory than the record has.
  if (count > reader.remaining) throw new DecodeError(`a list of ${count} in ${reader.remaining} bytes`);
  return Array.from({ length: count }, readElement);
}
