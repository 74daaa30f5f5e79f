import type { LogJournals } from "#lib/log/log-journals.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { neededOf } from "./held-objects.ts";
import type { OwedCopy } from "./owed-copies.ts";

/** Objects that are remembered, so that each is told once. */
const REMEMBERED_MAX = 10_000;

/** Tells of objects of which no store has a good copy. */
export class LostObjects {
  readonly #journals: LogJournals;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #told = new Set<ObjectKey>();

  constructor(ports: { readonly journals: LogJournals; readonly clock: Clock; readonly logger: Logger }) {
    const { journals, clock, logger } = ports;
    this.#journals = journals;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** It is damage only if the newest states still need the object. Fails if a journal gives no answer. */
  async note({ key, byteLength, reference }: OwedCopy, signal: AbortSignal): Promise<void> {
    if (this.#told.has(key)) return;
    const opened = this.#journals.allOpened();
    await Promise.all(opened.map((journal) => journal.readBarrier(signal)));
    const states = opened.map(({ state }) => state);
    const isNeeded = reference === undefined && (await neededOf([key], states, this.#clock)).has(key);
    if (this.#told.has(key)) return;
    if (this.#told.size < REMEMBERED_MAX) this.#told.add(key);
    const fields = { key, bytes: byteLength };
    if (isNeeded) this.#logger.error("no store has an object that records lie in", fields);
    else if (reference !== undefined) this.#logger.error("no store has the newest snapshot of a journal", fields);
  }
}
