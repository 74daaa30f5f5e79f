import type { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import type { AppendResult, Journal, JournalPage, ReadOptions } from "#lib/journal/journal.ts";
import { JournalUnavailableError } from "#lib/journal/journal.ts";
import type { JournalId, JournalSeq } from "#lib/util/branded.ts";
import type { Host } from "./host.ts";
import { callService, type Faults, type Troubles, troubled } from "./network.ts";

/** The journal service with a witness of all that takes effect there. */
export interface JournalWorld {
  readonly service: MemoryJournalService;
  readonly troubles: Troubles;
  /** Called when a record has come to stand, in the same instant. */
  readonly onAppended: (journal: JournalId, seq: JournalSeq, bytes: Uint8Array) => void;
}

/** One process' way to the journal service. */
export class SimJournal implements Journal {
  readonly #world: JournalWorld;
  readonly #host: Host;
  readonly #faultsOf: (journal: JournalId) => Faults;

  constructor(world: JournalWorld, host: Host, faultsOf: (journal: JournalId) => Faults) {
    this.#world = world;
    this.#host = host;
    this.#faultsOf = faultsOf;
  }

  append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array, signal: AbortSignal): Promise<AppendResult> {
    const { service, onAppended } = this.#world;
    return this.#call<AppendResult>(
      { journal, name: `append ${journal} ${seq}` },
      (times) => {
        const effect = service.append(journal, seq, bytes);
        if (effect.kind === "appended") onAppended(journal, seq, bytes);
        return { ...effect, ...times };
      },
      { signal, describe: (result) => result.kind },
    );
  }

  read(journal: JournalId, options: ReadOptions, signal: AbortSignal): Promise<JournalPage> {
    return this.#call<JournalPage>(
      { journal, name: `read ${journal} ${options.from}` },
      (times, isStale) => {
        const hidden = isStale && options.consistency === "eventual" ? 1 + this.#host.random.below(6) : 0;
        return { ...this.#world.service.read(journal, options, hidden), ...times };
      },
      { signal, describe: (page) => `${page.records.length}` },
    );
  }

  last(journal: JournalId, signal: AbortSignal): Promise<JournalPage> {
    return this.#call<JournalPage>(
      { journal, name: `last ${journal}` },
      (times) => {
        const record = this.#world.service.last(journal);
        return { records: record === undefined ? [] : [record], isTruncated: false, ...times };
      },
      { signal, describe: (page) => `${page.records[0]?.seq ?? 0}` },
    );
  }

  trim(journal: JournalId, upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    return this.#call<void>(
      { journal, name: `trim ${journal} ${upTo}` },
      () => this.#world.service.trim(journal, upTo),
      { signal },
    );
  }

  #call<T>(
    { journal, name }: { readonly journal: JournalId; readonly name: string },
    apply: (times: { readonly servedAtMs: number; readonly signedAtMs: number }, isStale: boolean) => T,
    options: { readonly signal: AbortSignal; readonly describe?: (result: T) => string },
  ): Promise<T> {
    const { scheduler } = this.#host;
    const { signal, describe } = options;
    const { troubles } = this.#world;
    return callService<T>(
      this.#host,
      // A journal that is away is so for everybody, whatever is wrong with a host's own way to it.
      troubled(this.#faultsOf(journal), troubles.ofAll ?? troubles.ofHosts.get(this.#host.name)),
      {
        name,
        isChange: name.startsWith("append"),
        apply: ({ signedAtMs, isStale }) => apply({ servedAtMs: scheduler.nowMs, signedAtMs }, isStale),
        unavailable: (message, throttled) => new JournalUnavailableError(message, { throttled }),
        ...(describe === undefined ? {} : { describe }),
      },
      signal,
    );
  }
}
