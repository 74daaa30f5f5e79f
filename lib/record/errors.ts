import { LogError } from "#lib/util/errors.ts";

/** The bytes are not a record batch in Kafka's v2 form, or their checksum or compressed section is broken. */
export class CorruptRecordError extends LogError {
  override readonly name = "CorruptRecordError";
  override readonly kind = "corrupt";
}

/** The Node that runs us does not have the codec. */
export class CodecMissingError extends LogError {
  override readonly name = "CodecMissingError";
  override readonly kind = "invalid";
}

/** A compressed section would grow beyond what its reader is willing to hold: a decompression bomb, or a limit too low. */
export class DecompressedTooLargeError extends LogError {
  override readonly name = "DecompressedTooLargeError";
  override readonly kind = "invalid";
  readonly bytesMax: number;

  constructor(bytesMax: number) {
    super(`records are larger than ${bytesMax} bytes when decompressed`);
    this.bytesMax = bytesMax;
  }
}
