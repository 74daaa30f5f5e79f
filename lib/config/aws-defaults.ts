import { isDirectoryBucket } from "#lib/storage/bucket-names.ts";
import {
  APPEND_INLINE_BYTES_MAX,
  FUNCTION_INLINE_BYTES_PER_COPY,
  S3_EXPRESS_LINGER_MS,
  S3_LINGER_MS,
} from "#lib/util/limits.ts";

/** Copies of an object that a flush is worth at most; the default replication factor ends there. */
const COPIES_MAX = 3;

/** What suits a gateway with these stores, where requests are paid and their latency is the network's. */
export function awsDefaults(stores: readonly { readonly bucket: string }[]): {
  readonly lingerMs: number;
  readonly inlineBytesMax: number;
} {
  return {
    lingerMs: stores.every(({ bucket }) => isDirectoryBucket(bucket)) ? S3_EXPRESS_LINGER_MS : S3_LINGER_MS,
    // A journal record costs as much for each begun KiB as a fifth of an object; so it depends on the copies saved.
    inlineBytesMax: Math.min(
      FUNCTION_INLINE_BYTES_PER_COPY * Math.min(stores.length, COPIES_MAX),
      APPEND_INLINE_BYTES_MAX,
    ),
  };
}
