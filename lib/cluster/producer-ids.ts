import { abortable } from "#lib/runtime/deadline.ts";
import { assert } from "#lib/util/assert.ts";
import { PRODUCER_IDS_PER_BLOCK } from "#lib/util/limits.ts";
import type { ClusterJournal } from "./cluster-state-machine.ts";

/**
 * Hands out producer ids, each once in the cluster's life. Takes them from the cluster journal in blocks; what a process
 * has not handed out when it ends is never used.
 */
export class ProducerIds {
  readonly #journal: ClusterJournal;
  #next = 0;
  #end = 0;
  #refill: Promise<void> | undefined;

  constructor(journal: ClusterJournal) {
    this.#journal = journal;
  }

  /** A producer id that nobody else has. Rejects as proposals do, or with the signal's reason. */
  async next(signal: AbortSignal): Promise<number> {
    while (this.#next >= this.#end) {
      // Shared by all who wait, so the signal of one of them must not end it.
      this.#refill ??= this.#takeBlock().finally(() => {
        this.#refill = undefined;
      });
      await abortable(this.#refill, signal);
    }
    return this.#next++;
  }

  async #takeBlock(): Promise<void> {
    const { outcome } = await this.#journal.propose(
      { kind: "allocate-producer-ids", count: PRODUCER_IDS_PER_BLOCK },
      { lane: "producer-ids", signal: new AbortController().signal },
    );
    assert(outcome.kind === "producer-ids", "a block of this size is never refused");
    this.#next = outcome.first;
    this.#end = outcome.first + PRODUCER_IDS_PER_BLOCK;
  }
}
