import { ErrorCode, errorName, isRetriable } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { type ErrorKind, LogError } from "#lib/util/errors.ts";

/** A broker's answer other than success, by Kafka's name and with a sentence. */
export class KafkaError extends LogError {
  override readonly name = "KafkaError";
  override readonly kind: ErrorKind;
  readonly code: number;

  /** `about` says what was asked for; `detail` is the broker's own text, or null for the usual one. */
  constructor(code: number, about: string, detail: string | null = null) {
    super(`${errorName(code)}: ${about}: ${detail ?? errorMessage(code)}`);
    this.code = code;
    this.kind = isRetriable(code) ? "unavailable" : "invalid";
  }
}

/** Fails with `KafkaError` unless `code` is NONE. */
export function assertNoError(code: number, about: string, detail: string | null = null): void {
  if (code !== ErrorCode.NONE) throw new KafkaError(code, about, detail);
}
