import { MARKER_KEY, uploadEpochOf } from "#lib/storage/object-keys.ts";
import type { StoreSet } from "#lib/storage/store-set.ts";
import type { ObjectKey, StoreId } from "#lib/util/branded.ts";
import { S3_KEYS_PER_REQUEST_MAX } from "#lib/util/limits.ts";

export interface Stranger {
  readonly storeId: StoreId;
  readonly key: ObjectKey;
}

/** So many are told; the rest would say no more. */
const STRANGERS_TOLD_MAX = 100;

/** Objects in the stores whose keys are none of ours. */
export async function findStrangers(stores: StoreSet, signal: AbortSignal): Promise<readonly Stranger[]> {
  const found: Stranger[] = [];
  for (const storeId of stores.ids) {
    for (let startAfter: string | undefined = ""; startAfter !== undefined; ) {
      const options = { prefix: "", startAfter, limit: S3_KEYS_PER_REQUEST_MAX };
      const { objects, isTruncated } = await stores.store(storeId).list(options, signal);
      for (const { key } of objects) {
        if (key !== MARKER_KEY && uploadEpochOf(key) === undefined) found.push({ storeId, key });
        if (found.length === STRANGERS_TOLD_MAX) return found;
      }
      startAfter = isTruncated ? objects.at(-1)?.key : undefined;
    }
  }
  return found;
}
