import type { JournalObjectRef } from "#lib/journal/journal-objects.ts";
import type { ObjectKey, StoreId, TimestampMs } from "#lib/util/branded.ts";
import { FLUSH_TIMEOUT_MS, OWED_COPIES_MAX, OWED_COPY_RETRY_MS, RELIST_MARGIN_MS } from "#lib/util/limits.ts";

/** What somebody thinks of a copy: it may still come, it is not there, or something else lies under its key. */
export type CopyDoubt = "late" | "missing" | "damaged";

/** An object that a store should have, and that nobody here knows it to have. */
export interface OwedCopy {
  readonly key: ObjectKey;
  readonly byteLength: number;
  /** The stores that had it by its record. */
  readonly sources: readonly StoreId[];
  /** Numbers of the log journals led here that refer to it: the store is not in sync for them. */
  readonly journals: readonly number[];
  /** When it was committed, or when that was heard of here, by the journal service's clock. */
  readonly writtenAtMs: TimestampMs;
  /** Of a journal's own object, where it is known. */
  readonly reference?: JournalObjectRef;
  readonly doubt: CopyDoubt;
  /** By the monotonic clock. */
  readonly dueAtMs: number;
}

/** Whose references a store is listed against: the journals led here, or all that are opened here. */
export type ListingScope = "led" | "opened";

/** A look at all that a store has. */
export interface Listing {
  readonly scope: ListingScope;
  /** Only against what was written since, by the journal service's clock. */
  readonly writtenSinceMs?: TimestampMs;
}

/**
 * What is owed to one store: single objects while they are few, else the knowledge that the store must be listed. A
 * listing is due as well whenever the store may have lost what it had.
 */
export class OwedCopies {
  readonly #owed = new Map<ObjectKey, OwedCopy>();
  #listing: { readonly scope: ListingScope; readonly dueAtMs: number } | undefined;
  #recheck: { readonly listing: Listing; readonly dueAtMs: number } | undefined;
  #listingBeganAtMs = Number.NEGATIVE_INFINITY;
  #isBeingListed = false;
  #beyondObjects = 0;
  #beyondBytes = 0;

  /** Whether every reference of the journals led here is either in the store or owed to it singly. */
  get isListed(): boolean {
    return this.#listing === undefined && !this.#isBeingListed;
  }

  get listingBeganAtMs(): number {
    return this.#listingBeganAtMs;
  }

  get size(): number {
    return this.#owed.size;
  }

  get(key: ObjectKey): OwedCopy | undefined {
    return this.#owed.get(key);
  }

  add(copy: OwedCopy, nowMs: number): void {
    const known = this.#owed.get(copy.key);
    if (known !== undefined) {
      const journals = [...new Set([...known.journals, ...copy.journals])];
      const writtenAtMs = Math.min(known.writtenAtMs, copy.writtenAtMs);
      this.#owed.set(copy.key, { ...known, journals, writtenAtMs, doubt: worse(known.doubt, copy.doubt) });
    } else if (this.#owed.size < OWED_COPIES_MAX) {
      this.#owed.set(copy.key, copy);
    } else {
      this.noteBeyond(copy.byteLength);
      this.requestListing("led", nowMs + OWED_COPY_RETRY_MS);
    }
  }

  /** The store has it, or nobody needs it any more; unless worse became known of it meanwhile. */
  settle({ key, doubt }: Pick<OwedCopy, "key" | "doubt">): void {
    if (this.#owed.get(key)?.doubt === doubt) this.#owed.delete(key);
  }

  /** It has come by itself. */
  noteArrival(key: ObjectKey): void {
    this.settle({ key, doubt: "late" });
    this.settle({ key, doubt: "missing" });
  }

  postpone({ key }: OwedCopy, dueAtMs: number): void {
    const known = this.#owed.get(key);
    if (known !== undefined) this.#owed.set(key, { ...known, dueAtMs });
  }

  /** Left to the listing that is due. */
  noteBeyond(byteLength: number): void {
    this.#beyondObjects++;
    this.#beyondBytes += byteLength;
  }

  /** A journal that is led elsewhere now: what is owed for it is another broker's to bring. */
  releaseJournal(journalNumber: number): void {
    for (const copy of this.#owed.values()) {
      if (!copy.journals.includes(journalNumber)) continue;
      const journals = copy.journals.filter((each) => each !== journalNumber);
      if (journals.length === 0) this.#owed.delete(copy.key);
      else this.#owed.set(copy.key, { ...copy, journals });
    }
  }

  due(nowMs: number): readonly OwedCopy[] {
    const due: OwedCopy[] = [];
    for (const copy of this.#owed.values()) if (copy.dueAtMs <= nowMs) due.push(copy);
    return due;
  }

  hasDue(nowMs: number): boolean {
    for (const copy of this.#owed.values()) if (copy.dueAtMs <= nowMs) return true;
    return false;
  }

  /** Whether something that the journal refers to is known to be missing. */
  isShort(journalNumber: number): boolean {
    for (const { journals, doubt } of this.#owed.values()) {
      if (doubt !== "late" && journals.includes(journalNumber)) return true;
    }
    return false;
  }

  /** Whether something that the journal refers to and that was written before `beforeMs` may be missing. */
  holdsBack(journalNumber: number, beforeMs: TimestampMs): boolean {
    for (const { journals, writtenAtMs } of this.#owed.values()) {
      if (writtenAtMs < beforeMs && journals.includes(journalNumber)) return true;
    }
    return false;
  }

  requestListing(scope: ListingScope, dueAtMs: number): void {
    const known = this.#listing;
    this.#listing =
      known === undefined
        ? { scope, dueAtMs }
        : {
            scope: known.scope === "opened" ? known.scope : scope,
            dueAtMs: Math.min(known.dueAtMs, dueAtMs),
          };
  }

  get isListingRequested(): boolean {
    return this.#listing !== undefined;
  }

  isListingDue(nowMs: number): boolean {
    return [this.#listing, this.#recheck].some((each) => each !== undefined && each.dueAtMs <= nowMs);
  }

  /**
   * The listing that is due. From now on what is folded is remembered again; what was committed before is the listing's to
   * find. A flush that was on its way meanwhile may name what the store lost between the upload and the listing: a second
   * look, at what is new by then, comes when all such flushes have ended. `serviceNowMs` is by the journal service's clock.
   */
  beginListing(nowMs: number, serviceNowMs: TimestampMs): Listing {
    this.#isBeingListed = true;
    this.#listingBeganAtMs = nowMs;
    const full = this.#listing;
    const recheck = this.#recheck;
    if (recheck !== undefined && (full === undefined || full.dueAtMs > nowMs)) {
      this.#recheck = undefined;
      return recheck.listing;
    }
    const scope = full?.scope ?? "led";
    this.#listing = undefined;
    const listing = { scope, writtenSinceMs: serviceNowMs - RELIST_MARGIN_MS };
    this.#recheck = { listing, dueAtMs: nowMs + FLUSH_TIMEOUT_MS };
    this.#beyondObjects = 0;
    this.#beyondBytes = 0;
    for (const { key, doubt, reference } of this.#owed.values()) {
      // A listing shows neither damage nor the objects of journals.
      if (doubt !== "damaged" && reference === undefined) this.#owed.delete(key);
    }
    return { scope };
  }

  endListing(): void {
    this.#isBeingListed = false;
  }

  /** What is known to be missing, or has not come in time. */
  total(nowMs: number): { readonly objects: number; readonly bytes: number } {
    let objects = this.#beyondObjects;
    let bytes = this.#beyondBytes;
    for (const { doubt, dueAtMs, byteLength } of this.#owed.values()) {
      if (doubt === "late" && dueAtMs > nowMs) continue;
      objects++;
      bytes += byteLength;
    }
    return { objects, bytes };
  }
}

const DOUBTS: readonly CopyDoubt[] = ["late", "missing", "damaged"];

function worse(a: CopyDoubt, b: CopyDoubt): CopyDoubt {
  return DOUBTS.indexOf(a) > DOUBTS.indexOf(b) ? a : b;
}
