import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteJournal } from "#lib/adapters/local/sqlite-journal.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { journalContract } from "../../contract/journal.ts";

const clock = new SystemClock();

journalContract("SqliteJournal", async () => {
  const directory = await mkdtemp(join(tmpdir(), "journal-"));
  const path = join(directory, "journals.db");
  const open = () => SqliteJournal.open({ path, clock });
  const [journal, other] = await Promise.all([open(), open()]);
  return {
    journal,
    other,
    close: async () => {
      await Promise.all([journal.close(), other.close()]);
      await rm(directory, { recursive: true });
    },
  };
});
