// What the searches of an .index and of a .timeindex share: entries of one size, ascending in both of their fields.

export interface SortedEntries<Entry> {
  readonly count: number;
  at(entry: number): Entry;
}

export interface EntrySearch<Entry> {
  /** Before all entries, and behind them. */
  readonly floor: Entry;
  readonly ceiling: Entry;
  readonly isLow: (entry: Entry) => boolean;
  /** Whether the entry lies between two others in both fields, as it must. */
  readonly isBetween: (low: Entry, entry: Entry, high: Entry) => boolean;
  /** Throws. */
  readonly onDisorder: (index: number) => never;
}

export interface FoundEntries<Entry> {
  /** The last low entry, or the floor. */
  readonly low: Entry;
  /** The first one that is not low. */
  readonly high: Entry | undefined;
}

/** Looks at some twenty entries, each of which must lie between those that were looked at before. */
export function searchEntries<Entry>(entries: SortedEntries<Entry>, search: EntrySearch<Entry>): FoundEntries<Entry> {
  let low = search.floor;
  let high = search.ceiling;
  let first = 0;
  let end = entries.count;
  while (first < end) {
    const middle = (first + end) >>> 1;
    const entry = entries.at(middle);
    if (!search.isBetween(low, entry, high)) search.onDisorder(middle);
    if (search.isLow(entry)) {
      low = entry;
      first = middle + 1;
    } else {
      high = entry;
      end = middle;
    }
  }
  return { low, high: high === search.ceiling ? undefined : high };
}

/** The bytes of a file as entries of `entryBytes` each; undefined if they are no whole ones. */
export function viewEntries(
  bytes: Uint8Array,
  entryBytes: number,
): { readonly view: DataView; readonly count: number } | undefined {
  if (bytes.byteLength % entryBytes !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { view, count: bytes.byteLength / entryBytes };
}
