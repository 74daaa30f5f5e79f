import type { Offset } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";

/** A file of a log segment is cut, damaged, or of another segment. It is not served, and nothing is guessed from it. */
export class CorruptSegmentError extends LogError {
  override readonly name = "CorruptSegmentError";
  override readonly kind = "corrupt";
  readonly baseOffset: Offset;

  constructor(baseOffset: Offset, reason: string, options?: ErrorOptions) {
    super(`segment ${baseOffset}: ${reason}`, options);
    this.baseOffset = baseOffset;
  }
}
