import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SEQ_SPAN } from "#lib/adapters/local/sqlite-journal-database.ts";
import type { Broker } from "../../test/clients/support/broker.ts";

/** In the data directory of `millrace serve`. */
const JOURNAL_FILE = "journal.sqlite";

/** How many records the broker's group journals have got so far: the sum of their last numbers, whatever was trimmed. */
export function groupRecordCount(broker: Broker): number {
  const database = new DatabaseSync(join(broker.directory, "data", JOURNAL_FILE), { readOnly: true });
  try {
    // Journals of snapshots stand beside them under longer names; their numbers are not consecutive.
    const journals = database
      .prepare("SELECT id FROM journals WHERE name GLOB 'group-*' AND name NOT GLOB '*/*'")
      .all();
    const last = database.prepare("SELECT max(key) AS key FROM records WHERE key >= ? AND key < ?");
    return journals.reduce((sum, { id }) => {
      const first = Number(id) * SEQ_SPAN;
      const newest = last.get(first, first + SEQ_SPAN)?.["key"];
      return typeof newest === "number" ? sum + newest - first : sum;
    }, 0);
  } finally {
    database.close();
  }
}
