import { MARKER_KEY, uploadEpochOf } from "#lib/storage/object-keys.ts";
import type { ObjectStore } from "#lib/storage/object-store.ts";
import type { ObjectKey } from "#lib/util/branded.ts";
import { S3_KEYS_PER_REQUEST_MAX } from "#lib/util/limits.ts";

/** Keys of a store that are none of ours. Fails as a listing does. */
export async function* findStrangers(store: Pick<ObjectStore, "list">, signal: AbortSignal): AsyncGenerator<ObjectKey> {
  for (let startAfter: string | undefined = ""; startAfter !== undefined; ) {
    const options = { prefix: "", startAfter, limit: S3_KEYS_PER_REQUEST_MAX };
    const { objects, isTruncated }: Awaited<ReturnType<ObjectStore["list"]>> = await store.list(options, signal);
    for (const { key } of objects) {
      if (key !== MARKER_KEY && uploadEpochOf(key) === undefined) yield key;
    }
    startAfter = isTruncated ? objects.at(-1)?.key : undefined;
  }
}
