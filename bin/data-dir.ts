import type { StoreId } from "#lib/util/branded.ts";

/** The one file of all journals in a data directory; stores lie beside it as `store-0`, `store-1` and so on. */
export const JOURNAL_FILE = "journal.sqlite";

/** The broker configs of the last start of a broker here. */
export const START_CONFIGS_FILE = "start-configs.json";

export function storeFolder(storeId: StoreId): string {
  return `store-${storeId}`;
}

/** The store that a name in a data directory stands for, if it is a store's. */
export function storeIdOf(name: string): StoreId | undefined {
  const [, digits] = /^store-(0|[1-9]\d{0,8})$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
