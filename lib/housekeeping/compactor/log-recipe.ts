import { batchSizesOf } from "#lib/log/batch-sizes.ts";
import { wholeEntry } from "#lib/log/entry-index.ts";
import { assembleRange } from "#lib/log/fetch-assembler.ts";
import type { WriteAheadEntry } from "#lib/log/log-state.ts";
import type { LogRecipe } from "#lib/storage/segments/compose-log.ts";
import { defined } from "#lib/util/assert.ts";
import type { JournalId, StoreId } from "#lib/util/branded.ts";
import { copyChunks } from "#lib/util/join-chunks.ts";
import { COMPOSED_GIVEN_BYTES_MAX, COMPOSED_RUN_BYTES_MAX } from "#lib/util/limits.ts";
import type { EntryPieces } from "./entry-pieces.ts";
import { sumBytes } from "./plan-segments.ts";

/**
 * Whether the stores can make a segment of the entries by themselves, but for a few that lie in the journal. False if one of
 * them has not all the others, or if it would not pay: those with fewer bytes than `runBytesMin`, on average, are read with
 * their neighbours of other partitions.
 */
export function canCompose(
  entries: readonly WriteAheadEntry[],
  { stores, runBytesMin }: { readonly stores: readonly StoreId[]; readonly runBytesMin: number },
): boolean {
  if (sumBytes(entries) < entries.length * runBytesMin) return false;
  let givenBytes = 0;
  for (const { place, byteLength } of entries) {
    if (byteLength > COMPOSED_RUN_BYTES_MAX || place.kind === "lost") return false;
    if (place.kind === "inline") givenBytes += byteLength;
    else if (!stores.every((id) => place.copies.includes(id))) return false;
  }
  return givenBytes <= COMPOSED_GIVEN_BYTES_MAX && entries.some(({ place }) => place.kind === "object");
}

/** What lies in the journal comes with the recipe. Fails with what it could not be read for, or with the signal's reason. */
export async function recipeOf(
  entries: readonly WriteAheadEntry[],
  {
    journal,
    pieces,
    signal,
  }: { readonly journal: JournalId; readonly pieces: EntryPieces; readonly signal: AbortSignal },
): Promise<LogRecipe> {
  const given = await readInlined(
    entries.filter(({ place }) => place.kind === "inline"),
    { journal, pieces, signal },
  );
  const runs = entries.map((entry) => {
    const { place, position, byteLength, baseOffset } = entry;
    const batches = batchSizesOf(entry);
    if (place.kind === "object") return { key: place.key, position, byteLength, baseOffset, batches };
    return { bytes: defined(given.get(entry)), baseOffset, batches };
  });
  return { baseOffset: defined(entries[0]).baseOffset, runs };
}

async function readInlined(
  entries: readonly WriteAheadEntry[],
  {
    journal,
    pieces,
    signal,
  }: { readonly journal: JournalId; readonly pieces: EntryPieces; readonly signal: AbortSignal },
): Promise<ReadonlyMap<WriteAheadEntry, Uint8Array>> {
  const read = new Map<WriteAheadEntry, Uint8Array>();
  if (entries.length === 0) return read;
  const errors: unknown[] = [];
  const wanted = entries.map((entry) => ({
    entry,
    isWanted: () => errors.length === 0,
    take: (chunks: readonly Uint8Array[]) => {
      const bytes = new Uint8Array(entry.byteLength);
      copyChunks(bytes, assembleRange(wholeEntry(entry), chunks, "sums"));
      read.set(entry, bytes);
    },
    fail: (error: unknown) => void errors.push(error),
  }));
  await pieces.read(journal, wanted, signal);
  if (errors.length > 0) throw errors[0];
  return read;
}
