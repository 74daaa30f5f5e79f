import { join } from "node:path";
import { Command } from "commander";
import { SqliteJournalReader } from "#lib/adapters/local/sqlite-journal-reader.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { journalId } from "#lib/util/branded.ts";
import { JOURNAL_PAGE_BYTES_MAX, JOURNAL_PAGE_RECORDS_MAX } from "#lib/util/limits.ts";
import { checkDataDir } from "./check-data-dir.ts";
import { formatRecordView, viewRecord } from "./cli/journal-view.ts";
import { endWithReader, Output } from "./cli/output.ts";
import { parseInteger } from "./cli/parse.ts";
import { formatTable } from "./cli/table.ts";
import { CommandFailure } from "./cli/usage-error.ts";
import { JOURNAL_FILE } from "./data-dir.ts";

/** `millrace journals`: what the journals of a data directory say. */
export function journalsCommand(): Command {
  return new Command("journals")
    .description("list the journals of a data directory, and show their records")
    .addCommand(listCommand())
    .addCommand(showCommand());
}

interface ListOptions {
  readonly dataDir: string;
  readonly json?: boolean;
}

function listCommand(): Command {
  return new Command("list")
    .description("list journals with their numbers, records and bytes")
    .requiredOption("--data-dir <DIR>", "the broker's data directory; the broker may be running")
    .option("--json", "one JSON array")
    .action((options: ListOptions) => {
      using journals = openJournals(options.dataDir);
      const found = journals.summaries();
      if (options.json === true) {
        process.stdout.write(`${JSON.stringify(found)}\n`);
        return;
      }
      const rows = found.map((one) => [one.journal, one.firstSeq, one.lastSeq, one.records, one.bytes, one.trimMark]);
      process.stdout.write(formatTable(["journal", "first", "last", "records", "bytes", "trimmed"], rows));
    });
}

interface ShowOptions extends ListOptions {
  readonly from: string;
  readonly limit?: string;
}

function showCommand(): Command {
  return new Command("show")
    .description("show the records of one journal, their commands and every field of them")
    .argument("<JOURNAL>", "such as cluster, log-3 or log-3/snapshots")
    .requiredOption("--data-dir <DIR>", "the broker's data directory; the broker may be running")
    .option("--from <SEQ>", "number of the first record to show", "1")
    .option("--limit <N>", "at most so many records (default: all)")
    .option("--json", "one JSON object a record, a line each")
    .addHelpText("after", "\nSizes are bytes, times UTC, checksums CRC-32C. Inlined batches are told, not shown.")
    .action(show);
}

async function show(name: string, options: ShowOptions): Promise<void> {
  const first = parseInteger(options.from, { name: "--from", min: 1 });
  let left = options.limit === undefined ? Infinity : parseInteger(options.limit, { name: "--limit", min: 0 });
  endWithReader();
  using journals = openJournals(options.dataDir);
  if (!(await journals.list()).includes(journalId(name))) {
    throw new CommandFailure(`there is no journal ${name}; see: millrace journals list --data-dir ${options.dataDir}`);
  }
  const output = new Output();
  for (let from = first; left > 0; ) {
    const recordsMax = Math.min(left, JOURNAL_PAGE_RECORDS_MAX);
    const limits = { recordsMax, bytesMax: JOURNAL_PAGE_BYTES_MAX, consistency: "strong" } as const;
    const page = await journals.read(journalId(name), { from, ...limits });
    for (const record of page.records) {
      const view = viewRecord(name, record);
      await output.write(options.json === true ? `${JSON.stringify(view)}\n` : formatRecordView(view));
    }
    left -= page.records.length;
    const last = page.records.at(-1);
    if (last === undefined || !page.isTruncated) break;
    from = last.seq + 1;
  }
  await output.flush();
}

function openJournals(dataDir: string): SqliteJournalReader {
  checkDataDir(dataDir);
  return new SqliteJournalReader(join(dataDir, JOURNAL_FILE), new SystemClock());
}
