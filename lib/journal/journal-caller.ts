import { retry } from "#lib/runtime/back-off.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { timeLimit } from "#lib/runtime/deadline.ts";
import type { Random } from "#lib/runtime/random.ts";
import {
  JOURNAL_BACK_OFF_MS_MAX,
  JOURNAL_BACK_OFF_MS_MIN,
  JOURNAL_CALL_MS_MAX,
  JOURNAL_READ_ATTEMPTS_MAX,
} from "#lib/util/limits.ts";
import { JournalUnavailableError } from "./journal.ts";

/** Gives calls to the journal service a time limit, and those that may be repeated a few tries. */
export class JournalCaller {
  readonly #ports: { readonly clock: Clock; readonly random: Random };
  readonly closeSignal: AbortSignal;

  constructor(ports: { readonly clock: Clock; readonly random: Random }, closeSignal: AbortSignal) {
    this.#ports = ports;
    this.closeSignal = closeSignal;
  }

  /** One try. Running out of time is a `JournalUnavailableError`: nobody knows what became of the call. */
  async once<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using limit = timeLimit(this.#ports.clock, JOURNAL_CALL_MS_MAX, this.closeSignal);
    try {
      return await work(limit.signal);
    } catch (error) {
      if (!limit.signal.aborted || error instanceof JournalUnavailableError) throw error;
      throw new JournalUnavailableError("no answer in time", { throttled: false, cause: error });
    }
  }

  /** For reads, and for writes whose repetition changes nothing. */
  repeatedly<T>(work: (signal: AbortSignal) => Promise<T>, signal = this.closeSignal): Promise<T> {
    const options = {
      attemptsMax: JOURNAL_READ_ATTEMPTS_MAX,
      minMs: JOURNAL_BACK_OFF_MS_MIN,
      maxMs: JOURNAL_BACK_OFF_MS_MAX,
      isRetriable: (error: unknown) => error instanceof JournalUnavailableError,
    };
    return retry(() => this.once(work), options, this.#ports, signal);
  }
}
