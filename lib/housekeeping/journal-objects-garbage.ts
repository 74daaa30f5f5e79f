import type { Journal } from "#lib/journal/journal.ts";
import { JournalCaller } from "#lib/journal/journal-caller.ts";
import { type ObjectName, parseObjectName } from "#lib/journal/object-names.ts";
import { ServiceClock } from "#lib/journal/service-clock.ts";
import { decodePointer, objectsOf, SnapshotShelf } from "#lib/journal/snapshot-shelf.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { describeError, type Logger } from "#lib/runtime/logger.ts";
import { DELETED_BYTES, DELETED_OBJECTS } from "#lib/runtime/metrics.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { Telemetry } from "#lib/runtime/telemetry.ts";
import { answerWithin } from "#lib/storage/answer-within.ts";
import { JOURNAL_OBJECT_PREFIX, parseJournalObjectKey } from "#lib/storage/object-keys.ts";
import type { ObjectStore, ObjectSummary } from "#lib/storage/object-store.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { JournalId, JournalSeq, StoreId } from "#lib/util/branded.ts";
import {
  GARBAGE_AGE_HOURS,
  GARBAGE_REST_MS,
  GARBAGE_REST_MS_MAX,
  LARGE_COMMAND_RECORDS_MAX,
  S3_KEYS_PER_REQUEST_MAX,
  STORE_PUT_MS_MAX,
  STORE_READ_MS_MAX,
} from "#lib/util/limits.ts";
import type { WorkerRun } from "./workers/worker.ts";

// What may be deleted, and why nobody can need it any more, however long he has slept. The number in an object's name
// (lib/journal/object-names.ts) is held against one strong read of the journal:
//
// - A snapshot, or a chunk of an archive, that no standing pointer names, when the newest pointer stands at its number or
//   higher. The first pointer to name it is put there or below, so if that comes at all it comes too late to be the newest,
//   and readers begin with the newest. A pointer that has named it is gone only after a trim, which leaves two that stand
//   above. Who then, a day too late, puts a pointer that was made from that one names what is gone: loaders pass over it
//   to the one before, trims do not rely on it, and the next snapshot stands above it.
// - A large command, when its last possible record, `LARGE_COMMAND_RECORDS_MAX` above its number, is trimmed, and every
//   standing pointer's snapshot stands there or higher, so that no archive is read that may hold the record either. A
//   record that comes later is refused by the fold, which does not read the object. Who has read the record before the
//   trim and asks for the object after it looks at the pointers and loads anew.
//
// All of that stays true once it is, so the decision may be as old as it likes when the objects are deleted, and several
// processes may do so at once. Upload epochs only spare objects that are at work right now, and keep listings short.

export interface JournalObjectsGarbageOptions {
  readonly journal: Journal;
  readonly stores: StoreSet;
  /** The journals whose objects are looked after here; those of others stay. */
  readonly journalIds: () => readonly JournalId[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry?: Telemetry | undefined;
}

/** What one journal may still need. */
interface Needs {
  readonly named: ReadonlySet<string>;
  /** 0 without a pointer. */
  readonly newestSeq: JournalSeq;
  /** No reader begins at this record or below. */
  readonly goneUpTo: JournalSeq;
}

const HOUR_MS = 3_600_000;

/** Deletes snapshots, archives and large commands that their journals need no more. */
export class JournalObjectsGarbage {
  readonly #options: JournalObjectsGarbageOptions;
  #restMs = GARBAGE_REST_MS;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: JournalObjectsGarbageOptions) {
    this.#options = options;
  }

  /**
   * Answers how many objects are gone, copies counted each. A run by schedule does nothing for an hour after the last one,
   * up to four while there is no garbage. A store or a journal that does not answer is left for the next run.
   */
  async runOnce({ isForced, signal }: WorkerRun): Promise<number> {
    const { clock, stores } = this.#options;
    if (!isForced && clock.monotonicMs() < this.#dueAtMs) return 0;
    const reader = new NeedsReader(this.#options, signal);
    const hour = await reader.serviceHour();
    if (hour === undefined) return 0;
    const lastEpoch = isForced ? hour : hour - GARBAGE_AGE_HOURS;
    let count = 0;
    for (const id of stores.ids) count += await this.#collectAt(id, { reader, lastEpoch, signal });
    this.#restMs = count > 0 ? GARBAGE_REST_MS : Math.min(2 * this.#restMs, GARBAGE_REST_MS_MAX);
    this.#dueAtMs = clock.monotonicMs() + this.#restMs;
    return count;
  }

  async #collectAt(
    id: StoreId,
    {
      reader,
      lastEpoch,
      signal,
    }: { readonly reader: NeedsReader; readonly lastEpoch: number; readonly signal: AbortSignal },
  ): Promise<number> {
    const { stores, clock, logger } = this.#options;
    const store = stores.store(id);
    let count = 0;
    let startAfter = "";
    try {
      for (;;) {
        const options = { prefix: JOURNAL_OBJECT_PREFIX, startAfter, limit: S3_KEYS_PER_REQUEST_MAX };
        const limit = { clock, ms: STORE_READ_MS_MAX, signal };
        const page = await answerWithin(limit, (own) => store.list(options, own));
        const old = page.objects.filter(({ key }) => (parseJournalObjectKey(key)?.uploadEpoch ?? 0) <= lastEpoch);
        count += await this.#delete(store, await reader.garbageAmong(old), signal);
        const last = page.objects.at(-1);
        // Keys stand in the order of their epochs.
        const isPast = old.length < page.objects.length;
        if (!page.isTruncated || last === undefined || isPast) return count;
        startAfter = last.key;
      }
    } catch (error) {
      signal.throwIfAborted();
      logger.warn("a store's garbage of journals is left", { store: id, error: describeError(error) });
      return count;
    }
  }

  async #delete(store: ObjectStore, objects: readonly ObjectSummary[], signal: AbortSignal): Promise<number> {
    if (objects.length === 0) return 0;
    const { clock, telemetry } = this.#options;
    const keys = objects.map(({ key }) => key);
    const gone = await answerWithin({ clock, ms: STORE_PUT_MS_MAX, signal }, (own) => store.deleteAll(keys, own));
    for (const { key, byteLength } of objects) {
      if (!gone.has(key)) continue;
      telemetry?.count(DELETED_OBJECTS, 1, { kind: "journals" });
      telemetry?.count(DELETED_BYTES, byteLength, { kind: "journals" });
    }
    return gone.size;
  }
}

/** Reads what journals need, each once in a run. */
class NeedsReader {
  readonly #options: JournalObjectsGarbageOptions;
  readonly #caller: JournalCaller;
  readonly #serviceClock: ServiceClock;
  /** Undefined: it could not be read, and nothing of it is deleted. */
  readonly #needs = new Map<string, Promise<Needs | undefined>>();
  readonly #ids: ReadonlyMap<string, JournalId>;

  constructor(options: JournalObjectsGarbageOptions, signal: AbortSignal) {
    this.#options = options;
    this.#caller = new JournalCaller(options, signal);
    this.#serviceClock = new ServiceClock(options.clock);
    this.#ids = new Map(options.journalIds().map((id) => [id, id]));
  }

  /** Hours since 1970 by the journal service's clock; undefined without a journal, or an answer from it. */
  async serviceHour(): Promise<number | undefined> {
    for (const id of this.#ids.values()) {
      if ((await this.#needsOf(id)) !== undefined) return Math.floor(this.#serviceClock.nowMs() / HOUR_MS);
    }
    return undefined;
  }

  async garbageAmong(objects: readonly ObjectSummary[]): Promise<readonly ObjectSummary[]> {
    const garbage: ObjectSummary[] = [];
    for (const object of objects) {
      const name = parseObjectName(parseJournalObjectKey(object.key)?.name ?? "");
      const id = name === undefined ? undefined : this.#ids.get(name.journal);
      if (name === undefined || id === undefined) continue;
      const needs = await this.#needsOf(id);
      if (needs !== undefined && isGarbage(object.key, name, needs)) garbage.push(object);
    }
    return garbage;
  }

  #needsOf(id: JournalId): Promise<Needs | undefined> {
    const known = this.#needs.get(id);
    if (known !== undefined) return known;
    const reading = this.#read(id).catch((error: unknown) => {
      this.#caller.closeSignal.throwIfAborted();
      this.#options.logger.warn("a journal's garbage is left", { journal: id, error: describeError(error) });
      return undefined;
    });
    this.#needs.set(id, reading);
    return reading;
  }

  /** Fails if a pointer cannot be read: nobody knows what it names. */
  async #read(id: JournalId): Promise<Needs> {
    const { journal } = this.#options;
    const shelf = new SnapshotShelf(journal, id, this.#serviceClock);
    const records = await this.#caller.repeatedly((limited) => shelf.all(limited));
    const pointers = records.map(decodePointer);
    const options = { from: 1, recordsMax: 1, bytesMax: 1, consistency: "strong" } as const;
    const page = await this.#caller.repeatedly((limited) => journal.read(id, options, limited));
    const goneUpTo = Math.min((page.records[0]?.seq ?? 1) - 1, ...pointers.map(({ snapshotSeq }) => snapshotSeq));
    return {
      named: new Set(pointers.flatMap(objectsOf).map(({ key }) => key)),
      newestSeq: pointers.at(-1)?.seq ?? 0,
      goneUpTo,
    };
  }
}

function isGarbage(key: string, { kind, seq }: ObjectName, { named, newestSeq, goneUpTo }: Needs): boolean {
  if (named.has(key)) return false;
  return kind === "commands" ? seq + LARGE_COMMAND_RECORDS_MAX <= goneUpTo : seq <= newestSeq;
}
