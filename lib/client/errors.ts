import { LogError } from "#lib/util/errors.ts";

/** The connection could not be made, or ended before the answer came: whether the request took effect is unknown. */
export class ConnectionLostError extends LogError {
  override readonly name = "ConnectionLostError";
  override readonly kind = "unavailable";
}

/** The HTTPS door refuses the request itself: a missing or wrong key, a right that the key has not, a wrong URL. */
export class HttpRefusedError extends LogError {
  override readonly name = "HttpRefusedError";
  override readonly kind = "invalid";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Broker and client share no version of an API. */
export class NoCommonVersionError extends LogError {
  override readonly name = "NoCommonVersionError";
  override readonly kind = "invalid";
}
