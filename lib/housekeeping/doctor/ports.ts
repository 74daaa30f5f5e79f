import type { Journal } from "#lib/journal/journal.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import type { JournalId, StoreId } from "#lib/util/branded.ts";

/** Journals as the doctor sees them: it reads, and never writes. */
export interface JournalSource extends Pick<Journal, "read"> {
  /** Every journal that has a record, in any order. */
  list(signal: AbortSignal): Promise<readonly JournalId[]>;
}

/** A store as the doctor sees it; its marker is the object `marker.json`, and listed like any other. */
export type ObjectSource = Pick<ObjectStore, "get" | "list">;

export interface DoctorPorts {
  readonly journals: JournalSource;
  /** Those that are there. A store that the cluster journal names and that is not here is away. */
  readonly stores: ReadonlyMap<StoreId, ObjectSource>;
}
