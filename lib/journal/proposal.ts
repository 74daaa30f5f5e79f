import type { Deferred } from "#lib/runtime/deferred.ts";
import { deferred } from "#lib/runtime/deferred.ts";
import type { JournalSeq } from "#lib/util/branded.ts";
import type { Committed } from "./replicated-state-api.ts";

export interface UploadedCommand {
  readonly key: string;
  readonly foldedSeq: JournalSeq;
  readonly body: Uint8Array;
}

/** One command on its way: encoded once, so that after a lost race the same bytes are proposed again (J2). */
export class Proposal<Outcome> {
  readonly encoded: Uint8Array;
  /** Where its body lies if it was too large for a record, and the body itself. */
  readonly object: UploadedCommand | undefined;
  readonly #result: Deferred<Committed<Outcome> | undefined> = deferred();
  #isSettled = false;
  isInFlight = false;

  constructor(encoded: Uint8Array, object: UploadedCommand | undefined) {
    this.encoded = encoded;
    this.object = object;
  }

  /** Undefined for a command of the machinery itself. */
  get result(): Promise<Committed<Outcome> | undefined> {
    return this.#result.promise;
  }

  /** Whether its caller has an answer already and waits no more. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  resolve(committed: Committed<Outcome> | undefined): void {
    this.#isSettled = true;
    this.#result.resolve(committed);
  }

  reject(reason: unknown): void {
    this.#isSettled = true;
    this.#result.reject(reason);
  }
}
