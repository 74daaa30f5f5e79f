import type { Refusal } from "#lib/cluster/admin-result.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { type TimeLimit, TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import { describeError } from "#lib/runtime/logger.ts";
import { LogError } from "#lib/util/errors.ts";
import { ADMIN_REQUEST_MS_MIN } from "#lib/util/limits.ts";
import type { BrokerServices } from "./broker-services.ts";
import type { RequestContext } from "./request-context.ts";

// What administrative requests have in common: a time limit of their own, and answers that name what went wrong.

/** Aborts when the client's time is over or its connection closes. */
export function adminTimeLimit(timeoutMs: number, context: RequestContext, services: BrokerServices): TimeLimit {
  return timeLimit(services.clock, Math.max(timeoutMs, ADMIN_REQUEST_MS_MIN), context.signal);
}

/** An error of one item, as a response shows it. */
export interface ItemError {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
}

export const NO_ERROR: ItemError = { errorCode: ErrorCode.NONE, errorMessage: null };

export function itemError(errorCode: ErrorCode, message = errorMessage(errorCode)): ItemError {
  return { errorCode, errorMessage: message };
}

export function errorOfRefusal({ error, message }: Refusal): ItemError {
  return { errorCode: error, errorMessage: message };
}

/**
 * Does one item of a request. What fails becomes that item's error, and the others go on: REQUEST_TIMED_OUT, which
 * clients retry, where a journal did not answer (the change may or may not have happened, as in Kafka after a time-out).
 */
export async function itemOrError<T>(services: BrokerServices, work: () => Promise<T>): Promise<T | ItemError> {
  try {
    return await work();
  } catch (error) {
    if (isUnavailable(error)) return itemError(ErrorCode.REQUEST_TIMED_OUT, describeError(error));
    services.logger.error("an administrative request failed", { error: describeError(error) });
    return itemError(ErrorCode.UNKNOWN_SERVER_ERROR);
  }
}

function isUnavailable(error: unknown): boolean {
  if (error instanceof TimeLimitError || error instanceof JournalUnavailableError) return true;
  if (error instanceof LogError) return error.kind === "unavailable";
  return error instanceof DOMException && error.name === "AbortError";
}

/** The elements that stand more than once. */
export function repeated<T>(elements: Iterable<T>): ReadonlySet<T> {
  const seen = new Set<T>();
  const found = new Set<T>();
  for (const element of elements) {
    if (seen.has(element)) found.add(element);
    seen.add(element);
  }
  return found;
}
