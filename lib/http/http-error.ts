import { type ErrorKind, LogError } from "#lib/util/errors.ts";

export interface HttpErrorOptions {
  readonly status: number;
  /** The REST Proxy's number: the status and two digits; the status alone where left out. */
  readonly errorCode?: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further fields of the body. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** Names and values that a client has sent may be as long as its body, and stand in messages all the same. */
const MESSAGE_LENGTH_MAX = 2_000;

/** An answer that says no. */
export class HttpError extends LogError {
  override readonly name = "HttpError";
  override readonly kind: ErrorKind;
  readonly status: number;
  readonly errorCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly details: Readonly<Record<string, unknown>>;

  constructor({ status, errorCode = status, message, headers = {}, details = {}, cause }: HttpErrorOptions) {
    const text = message.length > MESSAGE_LENGTH_MAX ? `${message.slice(0, MESSAGE_LENGTH_MAX)}…` : message;
    super(text, cause === undefined ? undefined : { cause });
    this.kind = status >= 500 ? "unavailable" : "invalid";
    this.status = status;
    this.errorCode = errorCode;
    this.headers = headers;
    this.details = details;
  }
}

/** Which conventions a route follows: the REST Proxy's v2 or v3, our own v1, or none (health, metrics, the document). */
export type HttpArea = "v1" | "v2" | "v3" | "service";

/** The body of a refusal. v3 repeats the status where v2 and v1 have a finer number. */
export function errorBody(area: HttpArea, error: HttpError): Readonly<Record<string, unknown>> {
  const errorCode = area === "v3" ? error.status : error.errorCode;
  return { error_code: errorCode, message: error.message, ...error.details };
}
