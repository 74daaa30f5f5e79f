import { storesOf } from "#lib/log/commit-rule.ts";
import type { LogCommand, LogOutcome } from "#lib/log/log-command.ts";
import type { LogJournal, LogJournals } from "#lib/log/log-journals.ts";
import type { LogState } from "#lib/log/log-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { LostCopy } from "#lib/storage/copy-reader.ts";
import { JOURNAL_OBJECT_PREFIX } from "#lib/storage/object-keys.ts";
import type { LateCopyObserver } from "#lib/storage/replicated-put.ts";
import { defined } from "#lib/util/assert.ts";
import type { ObjectKey, StoreId, TimestampMs } from "#lib/util/branded.ts";
import {
  COPIES_IN_DOUBT_MS,
  EARLY_COPIES_REMEMBERED_MAX,
  LATE_COPY_MS_MAX,
  RELIST_SPACING_MS,
} from "#lib/util/limits.ts";
import { heldBy, isWrittenSince, type PlacedObject, placedBy } from "./held-objects.ts";
import { type CopyDoubt, type ListingScope, OwedCopies, type OwedCopy } from "./owed-copies.ts";

const OUTAGES_LISTED_AT_ONCE = 3;

export interface CopyTrackerOptions {
  readonly storeIds: readonly StoreId[];
  readonly clock: Clock;
  /**
   * Whether every store of a journal is in doubt when it comes to be led here, and not only those that its records do not
   * name: what its leader before had noticed is known to nobody then. For processes that seldom begin.
   */
  readonly isThorough: boolean;
}

/**
 * Knows what is owed to each store: by the folds of the journals that are led here, by the uploads of this process that
 * came late or not at all, and by readers that found a copy missing. Asks no store anything.
 */
export class CopyTracker implements LateCopyObserver {
  readonly #clock: Clock;
  readonly #isThorough: boolean;
  readonly #stores: ReadonlyMap<StoreId, OwedCopies>;
  /** Copies that came before their commit was folded, the oldest first. */
  readonly #early = new Map<ObjectKey, readonly StoreId[]>();
  /** By store: outages that each came soon after the listing for the one before. */
  readonly #outagesInARow = new Map<StoreId, number>();
  /** The journals led here. */
  readonly #led = new Set<number>();
  /** By journal: the stores that were out of the ISR when it was last looked at. */
  readonly #lastOut = new Map<number, readonly StoreId[]>();
  #journals: LogJournals | undefined;
  #leads: (state: LogState) => boolean = () => false;

  constructor({ storeIds, clock, isThorough }: CopyTrackerOptions) {
    this.#clock = clock;
    this.#isThorough = isThorough;
    this.#stores = new Map(storeIds.map((id) => [id, new OwedCopies()]));
  }

  get storeIds(): readonly StoreId[] {
    return [...this.#stores.keys()];
  }

  /** Of a store of this process. */
  owedTo(id: StoreId): OwedCopies {
    return defined(this.#stores.get(id), `store ${id}`);
  }

  /** The journals led here as of the last `refresh`, ascending. */
  led(): readonly { readonly journalNumber: number; readonly journal: LogJournal }[] {
    return [...this.#led]
      .sort((a, b) => a - b)
      .flatMap((journalNumber) => {
        const journal = this.#journals?.opened(journalNumber);
        return journal === undefined ? [] : [{ journalNumber, journal }];
      });
  }

  /** Begins to listen to the folds of what `leads` says is led here; returns the way to stop it. */
  follow(journals: LogJournals, leads: (state: LogState) => boolean): () => void {
    this.#journals = journals;
    this.#leads = leads;
    const stops = [
      journals.onFold((journal, command, outcome) => this.#noteFold(journal, { command, outcome })),
      journals.onReload((journal) => {
        const journalNumber = numberOf(journal);
        if (this.#led.has(journalNumber)) this.#begin(journalNumber, journal.state);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Sees which journals are led here now. */
  refresh(): void {
    for (const journal of this.#journals?.allOpened() ?? []) {
      const journalNumber = numberOf(journal);
      const isLed = this.#leads(journal.state);
      if (isLed === this.#led.has(journalNumber)) continue;
      if (isLed) this.#begin(journalNumber, journal.state);
      else this.#end(journalNumber);
    }
  }

  /**
   * The store was away: whatever it had before, it need not have any more. The leaders of other journals need not have
   * noticed.
   */
  noteOutage(id: StoreId): void {
    const owed = this.#stores.get(id);
    if (owed === undefined) return;
    const isSoon = this.#clock.monotonicMs() - owed.listingBeganAtMs < RELIST_SPACING_MS;
    const count = isSoon ? (this.#outagesInARow.get(id) ?? 0) + 1 : 0;
    this.#outagesInARow.set(id, count);
    // A store that can be read and not written to comes and goes every few seconds: it is not listed each time.
    const delayMs = count < OUTAGES_LISTED_AT_ONCE ? 0 : Math.min(RELIST_SPACING_MS, 1_000 * 2 ** count);
    this.#doubt(id, "opened", delayMs);
  }

  arrived(key: ObjectKey, id: StoreId): void {
    if (this.#journals === undefined) return;
    const owed = this.#stores.get(id);
    if (owed?.get(key) !== undefined) {
      owed.noteArrival(key);
      return;
    }
    this.#early.set(key, [...(this.#early.get(key) ?? []), id]);
    for (const oldest of this.#early.keys()) {
      if (this.#early.size <= EARLY_COPIES_REMEMBERED_MAX) break;
      this.#early.delete(oldest);
    }
  }

  missed(key: ObjectKey, id: StoreId, byteLength: number): void {
    // What a commit names is owed by its fold. Whether it ever comes to the pointer of a snapshot is not known here.
    if (!key.startsWith(JOURNAL_OBJECT_PREFIX)) return;
    this.#owe({ key, byteLength, sources: [] }, { storeId: id, doubt: "missing", delayMs: LATE_COPY_MS_MAX });
  }

  noteLost({ object, storeId, kind }: LostCopy): void {
    this.#noteLost({ ...object, sources: object.copies }, storeId, kind);
  }

  /** Who brought the object to another store has found that this one has it not, or not as it was written. */
  noteBadSource(copy: OwedCopy, storeId: StoreId, kind: "missing" | "damaged"): void {
    this.#noteLost(copy, storeId, kind);
  }

  #noteLost(object: OwedObject, storeId: StoreId, kind: "missing" | "damaged"): void {
    const owed = this.#stores.get(storeId);
    if (owed === undefined || owed.get(object.key)?.doubt === kind) return;
    this.#owe(object, { storeId, doubt: kind, delayMs: 0 });
    // One that is missing is seldom alone.
    const nowMs = this.#clock.monotonicMs();
    const isOld = nowMs - owed.listingBeganAtMs >= RELIST_SPACING_MS;
    if (kind === "missing" && isOld) owed.requestListing("opened", nowMs);
  }

  #owe(
    { key, byteLength, sources, reference }: OwedObject,
    { storeId, doubt, delayMs }: { readonly storeId: StoreId; readonly doubt: CopyDoubt; readonly delayMs: number },
  ): void {
    const nowMs = this.#clock.monotonicMs();
    const about = { journals: [], writtenAtMs: 0, doubt, dueAtMs: nowMs + delayMs };
    const known = reference === undefined ? {} : { reference };
    this.#stores.get(storeId)?.add({ key, byteLength, sources, ...known, ...about }, nowMs);
  }

  #begin(journalNumber: number, state: LogState): void {
    this.#led.add(journalNumber);
    this.#lastOut.set(journalNumber, outOfSync(state));
    // What the leader before has noticed went with it.
    const stores = this.#isThorough ? placedAt(state, this.storeIds) : storesInDoubt(state, this.#clock.nowMs());
    for (const id of stores) this.#doubt(id, "led");
  }

  #doubt(id: StoreId, scope: ListingScope, delayMs = 0): void {
    for (const [key, stores] of this.#early) if (stores.includes(id)) this.#early.delete(key);
    this.#stores.get(id)?.requestListing(scope, this.#clock.monotonicMs() + delayMs);
  }

  #end(journalNumber: number): void {
    this.#led.delete(journalNumber);
    for (const owed of this.#stores.values()) owed.releaseJournal(journalNumber);
  }

  #noteFold(journal: LogJournal, { command, outcome }: Fold): void {
    const journalNumber = numberOf(journal);
    if (command.kind !== "append") this.#noteIsr(journalNumber, journal.state);
    if (!this.#led.has(journalNumber)) return;
    for (const placed of placedBy(journal.state, command, outcome)) {
      // A leader may hear late of what others have written. That is no lag of the store, which gets its time from now on.
      this.#notePlaced(journalNumber, placed, journal.nowMs());
    }
  }

  /** What made another broker take a store out of its ISR may have cost us copies as well. */
  #noteIsr(journalNumber: number, state: LogState): void {
    const before = this.#lastOut.get(journalNumber) ?? [];
    const out = outOfSync(state);
    this.#lastOut.set(journalNumber, out);
    if (this.#led.size === 0) return;
    for (const id of out) if (!before.includes(id)) this.#doubt(id, "led");
  }

  #notePlaced(journalNumber: number, { object, stores }: PlacedObject, knownAtMs: TimestampMs): void {
    const { key, byteLength, copies: sources } = object;
    const nowMs = this.#clock.monotonicMs();
    const early = this.#early.get(key) ?? [];
    this.#early.delete(key);
    for (const id of stores) {
      const owed = this.#stores.get(id);
      if (owed === undefined || early.includes(id)) continue;
      if (sources.includes(id)) continue;
      if (owed.isListingRequested) {
        owed.noteBeyond(byteLength);
        continue;
      }
      const about = { journals: [journalNumber], writtenAtMs: knownAtMs, doubt: "late" } as const;
      owed.add({ key, byteLength, sources, ...about, dueAtMs: nowMs + LATE_COPY_MS_MAX }, nowMs);
    }
  }
}

type OwedObject = Pick<OwedCopy, "key" | "byteLength" | "sources" | "reference">;

interface Fold {
  readonly command: LogCommand;
  readonly outcome: LogOutcome;
}

/**
 * The stores that need not have all that the state refers to, by what the state itself knows. Commits name the copies of
 * their time, which are never all of them: what is old was looked for long ago, and a store that lacks it is out of sync.
 */
function storesInDoubt(state: LogState, nowMs: TimestampMs): ReadonlySet<StoreId> {
  const stores = new Set(outOfSync(state));
  for (const partition of state.partitions.values()) {
    const placed = storesOf(state, partition);
    if (placed.length < 2) continue;
    for (const object of heldBy(partition)) {
      if (stores.size === state.replicas.length) return stores;
      if (!isWrittenSince(object, nowMs - COPIES_IN_DOUBT_MS)) continue;
      for (const id of placed) if (!object.copies.includes(id)) stores.add(id);
    }
  }
  return stores;
}

/** Where a journal's objects are: its snapshots are in every store, also while nothing else has been placed. */
function placedAt({ replicas }: LogState, storeIds: readonly StoreId[]): readonly StoreId[] {
  return replicas.length === 0 ? storeIds : replicas;
}

function outOfSync({ replicas, isr }: LogState): readonly StoreId[] {
  return replicas.filter((id) => !isr.includes(id));
}

function numberOf({ id }: LogJournal): number {
  return Number(id.slice(id.lastIndexOf("-") + 1));
}
