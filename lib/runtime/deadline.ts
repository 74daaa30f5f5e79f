import type { Clock } from "./clock.ts";
import { sharedAbortController } from "./shared-abort.ts";

/** The reason of a signal whose time is over. */
export class TimeLimitError extends Error {
  override readonly name = "TimeLimitError";

  constructor(ms: number) {
    super(`no answer within ${ms} ms`);
  }
}

/** A signal that aborts by itself; dispose of it when the work is done, so that no timer is left behind. */
export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborts `ms` from now with a `TimeLimitError`, or with `parent`. */
export function timeLimit(clock: Clock, ms: number, parent?: AbortSignal): TimeLimit {
  const controller = sharedAbortController();
  const onAbort = () => controller.abort(parent?.reason);
  if (parent?.aborted === true) onAbort();
  else parent?.addEventListener("abort", onAbort, { once: true });
  const call = clock.schedule(ms, () => controller.abort(new TimeLimitError(ms)));
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      call.cancel();
      parent?.removeEventListener("abort", onAbort);
    },
  };
}

/** Settles as `work` does, or rejects with the signal's reason; `work` goes on and its late failure is nobody's. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
