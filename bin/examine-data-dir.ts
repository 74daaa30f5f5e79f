import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DirectoryObjectReader } from "#lib/adapters/local/directory-object-reader.ts";
import { SqliteJournalReader } from "#lib/adapters/local/sqlite-journal-reader.ts";
import { walProblem } from "#lib/adapters/local/sqlite-wal-check.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { examine } from "#lib/housekeeping/doctor/examine.ts";
import { type Findings, RESTORE_JOURNAL } from "#lib/housekeeping/doctor/finding.ts";
import type { StoreId } from "#lib/util/branded.ts";
import { LogError } from "#lib/util/errors.ts";
import { JOURNAL_FILE, storeIdOf } from "./data-dir.ts";

const WAL_ATTEMPTS = 4;
const WAL_RETRY_MS = 50;

/** Checks everything in a data directory: the journal file as such, then what lies in it and in the stores. */
export async function examineDataDir(dataDir: string, findings: Findings, signal: AbortSignal): Promise<void> {
  const path = join(dataDir, JOURNAL_FILE);
  const report = (what: string) => findings.add({ kind: "journal-file", where: path, what, remedy: RESTORE_JOURNAL });
  const wal = await checkWal(`${path}-wal`);
  if (wal !== undefined) report(`${JOURNAL_FILE}-wal: ${wal}`);
  const stores = await openStores(dataDir);
  try {
    using journals = new SqliteJournalReader(path, new SystemClock());
    for (const problem of journals.problems()) report(problem);
    await examine({ journals, stores }, findings, signal);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    report(error.message);
  }
}

async function openStores(dataDir: string): Promise<ReadonlyMap<StoreId, DirectoryObjectReader>> {
  const stores = new Map<StoreId, DirectoryObjectReader>();
  for (const entry of await readdir(dataDir, { withFileTypes: true })) {
    const storeId = storeIdOf(entry.name);
    if (storeId === undefined || !entry.isDirectory()) continue;
    stores.set(storeId, new DirectoryObjectReader(join(dataDir, entry.name)));
  }
  return stores;
}

/** A running broker may be writing just now; what is wrong a moment later as well is wrong. */
async function checkWal(path: string): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    const problem = await checkWalOnce(path);
    if (problem === undefined || attempt === WAL_ATTEMPTS) return problem;
    await setTimeout(WAL_RETRY_MS);
  }
}

async function checkWalOnce(path: string): Promise<string | undefined> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    return await walProblem(size, async (position, byteLength) => {
      const bytes = Buffer.alloc(byteLength);
      await file.read(bytes, 0, byteLength, position);
      return bytes;
    });
  } finally {
    await file.close();
  }
}
