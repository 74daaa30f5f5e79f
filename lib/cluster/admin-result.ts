import type { ErrorCode } from "#lib/protocol/error-code.ts";

/** Why an administrative request was refused: Kafka's code, and a text for people. */
export interface Refusal {
  readonly kind: "refused";
  readonly error: ErrorCode;
  readonly message: string;
}

export type AdminResult<T> = { readonly kind: "done"; readonly value: T } | Refusal;

export function refusal(error: ErrorCode, message: string): Refusal {
  return { kind: "refused", error, message };
}

export function done<T>(value: T): AdminResult<T> {
  return { kind: "done", value };
}
