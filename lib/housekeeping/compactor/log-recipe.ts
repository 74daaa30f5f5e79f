import { batchSizesOf } from "#lib/log/batch-sizes.ts";
import type { WriteAheadEntry } from "#lib/log/log-state.ts";
import type { LogRecipe, StoredRun } from "#lib/storage/segments/compose-log.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { COMPOSED_RUN_BYTES_MAX } from "#lib/util/limits.ts";
import { sumBytes } from "./plan-segments.ts";

/**
 * How the stores can make a segment of the entries by themselves. Undefined if one of them has not all the entries, or if it
 * would not pay: those with fewer bytes than `runBytesMin`, on average, are read with their neighbours of other partitions.
 */
export function recipeOf(
  entries: readonly WriteAheadEntry[],
  { stores, runBytesMin }: { readonly stores: readonly StoreId[]; readonly runBytesMin: number },
): LogRecipe | undefined {
  const [first] = entries;
  if (first === undefined || sumBytes(entries) < entries.length * runBytesMin) return undefined;
  const runs: StoredRun[] = [];
  for (const entry of entries) {
    const { place, position, byteLength, baseOffset } = entry;
    if (place.kind !== "object" || byteLength > COMPOSED_RUN_BYTES_MAX) return undefined;
    if (!stores.every((id) => place.copies.includes(id))) return undefined;
    runs.push({ key: place.key, position, byteLength, baseOffset, batches: batchSizesOf(entry) });
  }
  return { baseOffset: first.baseOffset, runs };
}
