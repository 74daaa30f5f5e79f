import type { ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { isObjectKey } from "#lib/storage/object-keys.ts";
import type { ObjectListing, ObjectSummary } from "#lib/storage/object-store.ts";
import { objectKey } from "#lib/util/branded.ts";
import { S3_KEYS_PER_REQUEST_MAX } from "#lib/util/limits.ts";

export interface ListOptions {
  readonly prefix: string;
  readonly startAfter: string;
  readonly limit: number;
}

export interface PageRequest {
  readonly Prefix: string;
  readonly MaxKeys: number;
  readonly StartAfter?: string;
  readonly ContinuationToken?: string;
}

export type GetPage = (request: PageRequest) => Promise<ListObjectsV2CommandOutput>;

/** `root` stands before every key of ours in the bucket: "" or a prefix that ends with a slash. */
export async function listOrdered(root: string, options: ListOptions, getPage: GetPage): Promise<ObjectListing> {
  const objects: ObjectSummary[] = [];
  const { prefix, startAfter, limit } = options;
  let token: string | undefined;
  do {
    const page = await getPage({
      Prefix: root + prefix,
      MaxKeys: Math.min(S3_KEYS_PER_REQUEST_MAX, limit - objects.length),
      ...(token === undefined
        ? startAfter === ""
          ? {}
          : { StartAfter: root + startAfter }
        : { ContinuationToken: token }),
    });
    objects.push(...summaries(root, page));
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined && objects.length < limit);
  return { objects, isTruncated: token !== undefined };
}

/**
 * Directory buckets (S3 Express) list in no order, know no `StartAfter`, and take only prefixes that end with a slash. So
 * the folder is read to its end, and of what it holds the first keys in order are kept: in memory never more than the
 * page that is asked for and one of the service's. A caller that pages through n keys causes n / `limit` whole listings.
 */
export async function listUnordered(root: string, options: ListOptions, getPage: GetPage): Promise<ObjectListing> {
  const { prefix, startAfter, limit } = options;
  const folder = root + prefix.slice(0, prefix.lastIndexOf("/") + 1);
  let kept: ObjectSummary[] = [];
  let isTruncated = false;
  let token: string | undefined;
  do {
    const page = await getPage({
      Prefix: folder,
      MaxKeys: S3_KEYS_PER_REQUEST_MAX,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    });
    kept.push(...summaries(root, page).filter(({ key }) => key.startsWith(prefix) && key > startAfter));
    // Keys are ASCII, so the order of strings is the order of bytes.
    kept.sort((a, b) => (a.key < b.key ? -1 : 1));
    isTruncated ||= kept.length > limit;
    kept = kept.slice(0, limit);
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
  return { objects: kept, isTruncated };
}

/** What others have put into the bucket under names that are no keys of ours is passed over. */
function summaries(root: string, page: ListObjectsV2CommandOutput): ObjectSummary[] {
  const found: ObjectSummary[] = [];
  for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
    const text = Key.slice(root.length);
    if (!Key.startsWith(root) || !isObjectKey(text)) continue;
    found.push({ key: objectKey(text), byteLength: Size, lastModifiedMs: LastModified?.getTime() ?? 0 });
  }
  return found;
}
