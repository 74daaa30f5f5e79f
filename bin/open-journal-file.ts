import { join } from "node:path";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { checkDataDir } from "./check-data-dir.ts";
import { JOURNAL_FILE } from "./data-dir.ts";

/** The journals of a data directory, for a command that runs beside its brokers; whoever disposes of `opened` closes them. */
export async function openJournalFile(dataDir: string, opened: AsyncDisposableStack) {
  checkDataDir(dataDir);
  const path = join(dataDir, JOURNAL_FILE);
  const shared = { clock: new SystemClock(), random: new SystemRandom(), logger: SILENT_LOGGER };
  const journal = opened.use(await SqliteJournal.open({ path, ...shared }));
  return { ...shared, journal };
}
