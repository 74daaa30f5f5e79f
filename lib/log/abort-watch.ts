import type { AppendRequest } from "./append-request.ts";

/**
 * Aborts requests with their signals. A connection's requests mostly share one signal, so there is one listener a
 * signal and not one a request.
 */
export class AbortWatch {
  readonly #requests = new WeakMap<AbortSignal, Set<AppendRequest>>();
  readonly #onAborted: () => void;

  /** `onAborted` is called after the requests of a signal have been aborted. */
  constructor(onAborted: () => void) {
    this.#onAborted = onAborted;
  }

  add(request: AppendRequest): void {
    const { signal } = request.options;
    const known = this.#requests.get(signal);
    if (known !== undefined) {
      known.add(request);
      return;
    }
    const requests = new Set([request]);
    this.#requests.set(signal, requests);
    signal.addEventListener("abort", () => this.#abort(requests), { once: true });
  }

  delete(request: AppendRequest): void {
    this.#requests.get(request.options.signal)?.delete(request);
  }

  #abort(requests: ReadonlySet<AppendRequest>): void {
    for (const request of [...requests]) request.abort();
    this.#onAborted();
  }
}
