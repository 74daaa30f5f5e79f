import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DirectoryObjectReader } from "#lib/adapters/local/directory-object-reader.ts";
import { SqliteJournalReader } from "#lib/adapters/local/sqlite-journal-reader.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { AWS_PRICES } from "#lib/housekeeping/cost/aws-prices.ts";
import { JOURNAL_FILE } from "../data-dir.ts";

export interface DataDirCost {
  readonly objects: number;
  readonly objectBytes: number;
  readonly records: number;
  readonly recordBytes: number;
  /** What putting the objects that lie there would have cost, in one store of S3 Standard. */
  readonly putUsd: number;
  /** The same of the journals' records in DynamoDB, a write unit for each KiB begun. */
  readonly recordUsd: number;
}

const UNIT_BYTES = 1_024;
const OBJECTS_PER_PAGE = 1_000;

export async function estimateDataDir(dataDir: string): Promise<DataDirCost> {
  using journals = new SqliteJournalReader(join(dataDir, JOURNAL_FILE), new SystemClock());
  const summaries = journals.summaries();
  const records = summaries.reduce((sum, each) => sum + each.records, 0);
  const recordBytes = summaries.reduce((sum, each) => sum + each.bytes, 0);
  // The mean's units: a few long records among many short ones cost a little more than this says.
  const units = records === 0 ? 0 : records * Math.ceil(recordBytes / records / UNIT_BYTES);
  const { objects, objectBytes } = await countObjects(dataDir);
  return {
    objects,
    objectBytes,
    records,
    recordBytes,
    putUsd: objects * AWS_PRICES.s3.put,
    recordUsd: units * AWS_PRICES.dynamodb.writeUnit,
  };
}

async function countObjects(dataDir: string): Promise<{ readonly objects: number; readonly objectBytes: number }> {
  const { signal } = new AbortController();
  let objects = 0;
  let objectBytes = 0;
  for (const entry of await readdir(dataDir, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/^store-\d{1,9}$/.test(entry.name)) continue;
    const reader = new DirectoryObjectReader(join(dataDir, entry.name));
    for (let startAfter = "", isTruncated = true; isTruncated; ) {
      const page = await reader.list({ prefix: "", startAfter, limit: OBJECTS_PER_PAGE }, signal);
      objects += page.objects.length;
      objectBytes += page.objects.reduce((sum, { byteLength }) => sum + byteLength, 0);
      startAfter = page.objects.at(-1)?.key ?? "";
      isTruncated = page.isTruncated;
    }
  }
  return { objects, objectBytes };
}
