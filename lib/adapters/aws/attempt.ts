import type { Clock } from "#lib/runtime/clock.ts";
import { abortable, TimeLimitError, timeLimit } from "#lib/runtime/deadline.ts";
import { sharedAbortController } from "#lib/runtime/shared-abort.ts";

/**
 * One request that ends: with its answer, with `signal`'s reason, or after `ms` with a `TimeLimitError`. The signal that
 * `send` is given destroys the request; the wait ends even where the SDK is not listening, as while it looks for
 * credentials.
 */
export async function attempt<T>(
  limits: { readonly clock: Clock; readonly ms: number },
  signal: AbortSignal,
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  using limit = timeLimit(limits.clock, limits.ms, signal);
  const own = sharedAbortController();
  try {
    limit.signal.addEventListener("abort", () => own.abort(limit.signal.reason), { once: true });
    return await abortable(send(own.signal), own.signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    // Destroyed requests fail in many ways; this is why.
    if (limit.signal.aborted) throw limit.signal.reason;
    // A refusal may come before the request's body is out, and the rest of it would go on; one that is out is left alone.
    own.abort(error);
    throw error;
  }
}

export function isTimeLimit(error: unknown): boolean {
  return error instanceof TimeLimitError;
}
