import { LogError } from "#lib/util/errors.ts";

/** The bytes are not a message of the protocol, or the value cannot be said in that version of it. */
export class ProtocolError extends LogError {
  override readonly name = "ProtocolError";
  override readonly kind = "invalid";
}
