import { LogError } from "#lib/util/errors.ts";

/** The connection could not be made, or ended before the answer came: whether the request took effect is unknown. */
export class ConnectionLostError extends LogError {
  override readonly name = "ConnectionLostError";
  override readonly kind = "unavailable";
}

/** Broker and client share no version of an API. */
export class NoCommonVersionError extends LogError {
  override readonly name = "NoCommonVersionError";
  override readonly kind = "invalid";
}
