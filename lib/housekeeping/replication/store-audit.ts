import { storesOf } from "#lib/log/commit-rule.ts";
import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { answerWithin } from "#lib/storage/answer-within.ts";
import { SEGMENT_PREFIX, WRITE_AHEAD_PREFIX } from "#lib/storage/object-keys.ts";
import { readStoreMarker, rootError } from "#lib/storage/proven-store.ts";
import type { StoreHealth } from "#lib/storage/store-health.ts";
import type { StoreMarker } from "#lib/storage/store-marker.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId, TimestampMs } from "#lib/util/branded.ts";
import { OTHERS_COPY_MS, OWED_COPY_RETRY_MS, S3_KEYS_PER_REQUEST_MAX, STORE_READ_MS_MAX } from "#lib/util/limits.ts";
import type { CopyTracker } from "./copy-tracker.ts";
import { eachPartition, type HeldObject, heldBy, mayBeWrittenSince } from "./held-objects.ts";
import type { Listing, OwedCopy } from "./owed-copies.ts";
import type { SnapshotReferences } from "./snapshot-references.ts";

/** Where records lie. */
const RECORD_PREFIXES = [WRITE_AHEAD_PREFIX, SEGMENT_PREFIX];

export interface StoreAuditPorts {
  readonly stores: StoreSet;
  readonly health: StoreHealth;
  readonly journals: LogJournals;
  readonly tracker: CopyTracker;
  readonly snapshots: SnapshotReferences;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The marker that the cluster journal remembers of a store; undefined where stores have none. */
  readonly markerOf: (id: StoreId) => StoreMarker | undefined;
}

/** Finds out what a store has: that it is the right one, and which of the objects that it should have are there. */
export class StoreAudit {
  readonly #ports: StoreAuditPorts;

  constructor(ports: StoreAuditPorts) {
    this.#ports = ports;
  }

  /** Fails with `StoreUnavailableError` unless the store shows its marker now. */
  async prove(id: StoreId, signal: AbortSignal): Promise<void> {
    const { stores, health, markerOf } = this.#ports;
    const store = stores.store(id);
    const expected = markerOf(id);
    if (expected === undefined) {
      await this.#limited(signal, (own) => store.list({ prefix: WRITE_AHEAD_PREFIX, startAfter: "", limit: 1 }, own));
      return;
    }
    const found = await this.#limited(signal, (own) => readStoreMarker(store, `${id}`, own));
    const isProven = found?.identity === expected.identity && found.storeId === id;
    health.noteProof(id, isProven);
    if (!isProven) throw rootError(`${id}`, "does not have the marker that the cluster journal remembers");
  }

  /**
   * Lists the store against what the journals refer to, and owes it what is not there. What is committed meanwhile is the
   * tracker's. Fails with `StoreUnavailableError`; then the listing is still due.
   */
  async list(id: StoreId, signal: AbortSignal): Promise<void> {
    const { tracker, journals, clock } = this.#ports;
    const owed = tracker.owedTo(id);
    const serviceNowMs = journals.allOpened()[0]?.nowMs() ?? clock.nowMs();
    const listing = owed.beginListing(clock.monotonicMs(), serviceNowMs);
    try {
      const led = tracker.led();
      const others = listing.scope === "led" ? [] : this.#othersThan(led.map(({ journal }) => journal));
      const references = new References(id, { clock, serviceNowMs, writtenSinceMs: listing.writtenSinceMs });
      for (const { journalNumber, journal } of led) await references.collect(journal.state, journalNumber);
      for (const journal of others) await references.collect(journal.state, undefined);
      await this.#listAgainst(references, id, signal);
      const nowMs = clock.monotonicMs();
      for (const copy of references.rest()) owed.add(copy, nowMs);
      if (listing.writtenSinceMs === undefined) await this.#addSnapshots(id, listing, signal);
    } catch (error) {
      owed.requestListing(listing.scope, clock.monotonicMs());
      throw error;
    } finally {
      owed.endListing();
    }
  }

  /** A journal that is away leaves that to later: the objects of records are worth bringing at once. */
  async #addSnapshots(id: StoreId, { scope }: Listing, signal: AbortSignal): Promise<void> {
    const { tracker, snapshots, clock, logger } = this.#ports;
    const owed = tracker.owedTo(id);
    try {
      const missing = await snapshots.missingAt(id, signal);
      const nowMs = clock.monotonicMs();
      for (const copy of missing) owed.add(copy, nowMs);
    } catch (error) {
      signal.throwIfAborted();
      owed.requestListing(scope, clock.monotonicMs() + OWED_COPY_RETRY_MS);
      logger.warn("a store's snapshots are not looked at", { store: id, error: describeError(error) });
    }
  }

  #othersThan(led: readonly LogJournal[]): readonly LogJournal[] {
    return this.#ports.journals.allOpened().filter((journal) => !led.includes(journal));
  }

  async #listAgainst(references: References, id: StoreId, signal: AbortSignal): Promise<void> {
    const store = this.#ports.stores.store(id);
    for (const prefix of RECORD_PREFIXES) {
      for (let startAfter = references.startAfter(prefix); startAfter !== undefined; ) {
        const options = { prefix, startAfter, limit: S3_KEYS_PER_REQUEST_MAX };
        const page = await this.#limited(signal, (own) => store.list(options, own));
        for (const { key, byteLength } of page.objects) references.note(key, byteLength);
        const last = page.objects.at(-1)?.key;
        const mayGoOn = page.isTruncated && last !== undefined && references.mayHoldAfter(prefix, last);
        startAfter = mayGoOn ? last : undefined;
      }
    }
  }

  #limited<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return answerWithin({ clock: this.#ports.clock, ms: STORE_READ_MS_MAX, signal }, work);
  }
}

/** The objects with records that one store should have; those that are found there are crossed out. */
class References {
  readonly #storeId: StoreId;
  readonly #clock: Clock;
  readonly #serviceNowMs: TimestampMs;
  readonly #writtenSinceMs: TimestampMs;
  readonly #copies = new Map<ObjectKey, OwedCopy>();
  /** By prefix: the first key and the last one. */
  readonly #bounds = new Map<string, { first: ObjectKey; last: ObjectKey }>();

  constructor(
    storeId: StoreId,
    options: {
      readonly clock: Clock;
      readonly serviceNowMs: TimestampMs;
      readonly writtenSinceMs: TimestampMs | undefined;
    },
  ) {
    this.#storeId = storeId;
    this.#clock = options.clock;
    this.#serviceNowMs = options.serviceNowMs;
    this.#writtenSinceMs = options.writtenSinceMs ?? Number.NEGATIVE_INFINITY;
  }

  /** Where a listing begins; undefined if there is nothing to look for. */
  startAfter(prefix: string): string | undefined {
    const first = this.#bounds.get(prefix)?.first;
    return first?.slice(0, first.lastIndexOf("/"));
  }

  mayHoldAfter(prefix: string, key: ObjectKey): boolean {
    return key < defined(this.#bounds.get(prefix)).last;
  }

  async collect(state: LogState, journalNumber: number | undefined): Promise<void> {
    // The fold goes on meanwhile: what it adds is the tracker's, what it takes away is not brought.
    await eachPartition(state, this.#clock, (partition) => {
      if (!storesOf(state, partition).includes(this.#storeId)) return;
      for (const object of heldBy(partition)) {
        if (mayBeWrittenSince(object, this.#writtenSinceMs)) this.#collect(object, journalNumber);
      }
    });
  }

  note(key: ObjectKey, byteLength: number): void {
    const copy = this.#copies.get(key);
    if (copy === undefined) return;
    if (copy.byteLength === byteLength) this.#copies.delete(key);
    else this.#copies.set(key, { ...copy, doubt: "damaged" });
  }

  rest(): readonly OwedCopy[] {
    return [...this.#copies.values()];
  }

  #collect(object: HeldObject, journalNumber: number | undefined): void {
    const { key, byteLength, copies: sources } = object;
    const known = this.#copies.get(key);
    if (known === undefined) {
      const copy = { key, byteLength, sources, writtenAtMs: this.#writtenAtMs(object) };
      // What another broker leads is that broker's to bring first; it need not have noticed anything.
      const about =
        journalNumber === undefined
          ? ({ journals: [], doubt: "late", dueAtMs: this.#clock.monotonicMs() + OTHERS_COPY_MS } as const)
          : ({ journals: [journalNumber], doubt: "missing", dueAtMs: 0 } as const);
      this.#copies.set(key, { ...copy, ...about });
      this.#extend(key);
    } else if (journalNumber !== undefined && !known.journals.includes(journalNumber)) {
      this.#copies.set(key, { ...known, journals: [...known.journals, journalNumber] });
    }
  }

  /** A segment of this hour may have been written just now, and be on its way to the store: old records, a new object. */
  #writtenAtMs(object: HeldObject): TimestampMs {
    const { key, appendedAtMs } = object;
    const mayBeNew = key.startsWith(SEGMENT_PREFIX) && mayBeWrittenSince(object, this.#serviceNowMs);
    return mayBeNew ? this.#serviceNowMs : appendedAtMs;
  }

  #extend(key: ObjectKey): void {
    const prefix = key.slice(0, key.indexOf("/") + 1);
    const known = this.#bounds.get(prefix);
    if (known === undefined) this.#bounds.set(prefix, { first: key, last: key });
    else if (key < known.first) known.first = key;
    else if (key > known.last) known.last = key;
  }
}
