import type { AppendResult, Journal, JournalPage, ReadOptions } from "#lib/journal/journal.ts";
import { type Ledger, type LedgerLine, RequestLedger } from "#lib/runtime/ledger.ts";
import type { ByteRange, ObjectListing, ObjectStore, PutResult } from "#lib/storage/object-store.ts";
import type { JournalId, JournalSeq, ObjectKey } from "#lib/util/branded.ts";
import { KIB } from "#lib/util/limits.ts";
import { ON_DEMAND, type TableCapacity } from "./provisioned-table.ts";
import type { SteadyTrims } from "./steady-trims.ts";

// What the adapters for S3 and DynamoDB count, counted around those in memory.

/** A ledger that can begin anew, for what happened before does not count. */
export class Meter implements Ledger {
  #ledger = new RequestLedger();
  /** What stands in journals now and will be deleted one day; a lost put is charged and leaves nothing. */
  appendedUnits = 0;

  count(...args: Parameters<Ledger["count"]>): void {
    this.#ledger.count(...args);
  }

  reset(): void {
    this.#ledger = new RequestLedger();
    this.appendedUnits = 0;
  }

  lines(): readonly LedgerLine[] {
    return this.#ledger.snapshot();
  }
}

/** Every call is one request. */
export class MeteredStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #ledger: Ledger;
  readonly #target: string;

  constructor(store: ObjectStore, ledger: Ledger, bucket: string) {
    this.#store = store;
    this.#ledger = ledger;
    this.#target = bucket;
  }

  putIfAbsent(key: ObjectKey, chunks: readonly Uint8Array[], signal: AbortSignal): Promise<PutResult> {
    this.#count("PutObject", { sent: chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) });
    return this.#store.putIfAbsent(key, chunks, signal);
  }

  async get(key: ObjectKey, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#store.get(key, signal);
    this.#count("GetObject", { received: bytes.byteLength });
    return bytes;
  }

  getRange(key: ObjectKey, range: ByteRange, signal: AbortSignal, target?: Uint8Array): Promise<Uint8Array> {
    this.#count("GetObject", { received: range.byteLength });
    return this.#store.getRange(key, range, signal, target);
  }

  list(options: Parameters<ObjectStore["list"]>[0], signal: AbortSignal): Promise<ObjectListing> {
    this.#count("ListObjectsV2", {});
    return this.#store.list(options, signal);
  }

  deleteAll(keys: readonly ObjectKey[], signal: AbortSignal): Promise<ReadonlySet<ObjectKey>> {
    this.#count("DeleteObjects", {});
    return this.#store.deleteAll(keys, signal);
  }

  #count(operation: string, { sent = 0, received = 0 }: { readonly sent?: number; readonly received?: number }): void {
    this.#ledger.count(`s3:${operation}`, { sent, received }, { target: this.#target });
  }
}

/** What an item takes besides its record, as the adapter reckons. */
const ITEM_OVERHEAD_BYTES = 40;
const READ_UNIT_BYTES = 4 * KIB;
const BATCH_ITEMS = 25;
const TABLE = "journals";

export interface MeteredJournalParts {
  readonly meter: Meter;
  /** Default: on demand. */
  readonly capacity?: TableCapacity | undefined;
  readonly trims?: SteadyTrims | undefined;
}

/** Units as DynamoDB tells them: a KiB written, whether or not the condition holds; 4 KiB read, half of that if eventual. */
export class MeteredJournal implements Journal {
  readonly #journal: Journal;
  readonly #meter: Meter;
  readonly #capacity: TableCapacity;
  readonly #trims: SteadyTrims | undefined;

  constructor(journal: Journal, { meter, capacity = ON_DEMAND, trims }: MeteredJournalParts) {
    this.#journal = journal;
    this.#meter = meter;
    this.#capacity = capacity;
    this.#trims = trims;
  }

  async append(journal: JournalId, seq: JournalSeq, bytes: Uint8Array, signal: AbortSignal): Promise<AppendResult> {
    await this.#capacity.admit("writes");
    const result = await this.#journal.append(journal, seq, bytes, signal);
    const existing = result.kind === "conflict" ? result.existing.byteLength : 0;
    const units = writeUnits(Math.max(bytes.byteLength, existing));
    this.#count("PutItem", units, bytes.byteLength);
    if (result.kind === "appended") {
      this.#meter.appendedUnits += units;
      this.#trims?.noteAppended(journal, units);
    }
    return result;
  }

  async read(journal: JournalId, options: ReadOptions, signal: AbortSignal): Promise<JournalPage> {
    await this.#capacity.admit("reads");
    const page = await this.#journal.read(journal, options, signal);
    this.#countQuery(page, options.consistency === "strong");
    return page;
  }

  async last(journal: JournalId, signal: AbortSignal): Promise<JournalPage> {
    await this.#capacity.admit("reads");
    const page = await this.#journal.last(journal, signal);
    this.#countQuery(page, true);
    return page;
  }

  /** As the adapter does it: asks what is there, and deletes that item by item. */
  async trim(journal: JournalId, upTo: JournalSeq, signal: AbortSignal): Promise<void> {
    const { records } = await this.last(journal, signal);
    const newest = records[0]?.seq;
    if (newest === undefined) return;
    const all = { from: 1, recordsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER } as const;
    const page = await this.#journal.read(journal, { ...all, consistency: "strong" }, signal);
    const trimmed = page.records.filter(({ seq }) => seq <= Math.min(upTo, newest - 1));
    this.#countQuery({ records: trimmed }, false);
    for (let from = 0; from < trimmed.length; from += BATCH_ITEMS) {
      const batch = trimmed.slice(from, from + BATCH_ITEMS);
      await this.deleteBatch(batch.map(({ bytes }) => writeUnits(bytes.byteLength)));
    }
    await this.#journal.trim(journal, upTo, signal);
  }

  /** Of items of so many units each. */
  async deleteBatch(items: readonly number[]): Promise<void> {
    await this.#capacity.admit("writes");
    const units = items.reduce((sum, each) => sum + each, 0);
    this.#count("BatchWriteItem", units, 0);
  }

  #countQuery({ records }: Pick<JournalPage, "records">, isStrong: boolean): void {
    const byteLength = records.reduce((sum, { bytes }) => sum + bytes.byteLength + ITEM_OVERHEAD_BYTES, 0);
    const units = Math.max(1, Math.ceil(byteLength / READ_UNIT_BYTES)) * (isStrong ? 1 : 0.5);
    this.#count("Query", units, 0);
  }

  #count(operation: string, units: number, sent: number): void {
    this.#capacity.use(operation === "Query" ? "reads" : "writes", units);
    this.#meter.count(`dynamodb:${operation}`, { sent, received: 0 }, { target: TABLE, units });
  }
}

function writeUnits(recordBytes: number): number {
  return Math.ceil((recordBytes + ITEM_OVERHEAD_BYTES) / KIB);
}
