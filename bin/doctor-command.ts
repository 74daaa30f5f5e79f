import { readdirSync, statSync } from "node:fs";
import { Command } from "commander";
import { Findings, formatFinding, formatNote, type Tally } from "#lib/housekeeping/doctor/finding.ts";
import { checkDataDir } from "./check-data-dir.ts";
import { counted } from "./cli/counted.ts";
import { endWithReader, Output } from "./cli/output.ts";
import { Progress } from "./cli/progress.ts";
import { formatBytes } from "./cli/table.ts";
import { CommandFailure } from "./cli/usage-error.ts";
import { storeIdOf } from "./data-dir.ts";
import { examineDataDir } from "./examine-data-dir.ts";

/** `millrace doctor`: every invariant that the bytes of a data directory can show. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check every invariant of a data directory: journals, snapshots, segments, objects, batches, offsets")
    .requiredOption("--data-dir <DIR>", "the broker's data directory; the broker may be running")
    .option("--json", "findings as JSON lines, the summary last")
    .addHelpText(
      "after",
      "\nReads only. One line a finding on stdout, a summary last; exit status 1 if there is any finding." +
        "\nObjects that no record names are counted as orphans, not findings: a crash before a commit leaves such. What was" +
        "\nreplaced is no orphan while a record in a journal still names it, so orphans are not what waits for" +
        "\n`millrace run garbage`: that is not told apart. What Millrace did not write is told in lines STRANGER, no finding either." +
        "\nBytes that SQLite leaves unused in its pages belong to nothing, so damage there is not told.",
    )
    .action(doctor);
}

async function doctor(options: { readonly dataDir: string; readonly json?: boolean }): Promise<void> {
  const { dataDir } = options;
  // Stores without their journal file are damage, which doctor is there to tell.
  if (!hasStores(dataDir)) checkDataDir(dataDir);
  endWithReader();
  const output = new Output();
  const isJson = options.json === true;
  const findings = new Findings(
    (finding) => void output.write(isJson ? `${JSON.stringify(finding)}\n` : `${formatFinding(finding)}\n`),
    (note) => void output.write(isJson ? `${JSON.stringify(note)}\n` : `${formatNote(note)}\n`),
  );
  {
    using _progress = new Progress(() => `checking ${summaryOf(findings.tally)}`);
    await examineDataDir(dataDir, findings, new AbortController().signal);
  }
  void output.write(
    isJson ? `${JSON.stringify({ summary: findings.tally })}\n` : `checked ${summaryOf(findings.tally)}\n`,
  );
  await output.flush();
  const count = findings.tally.findings;
  if (count > 0) throw new CommandFailure(counted(count, "finding"));
}

function hasStores(dataDir: string): boolean {
  const isDirectory = statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory && readdirSync(dataDir).some((name) => storeIdOf(name) !== undefined);
}

function summaryOf(tally: Tally): string {
  const counts = [
    counted(tally.journals, "journal"),
    counted(tally.records, "record"),
    counted(tally.snapshots, "snapshot"),
    counted(tally.partitions, "partition"),
    counted(tally.segments, "segment"),
    counted(tally.objects, "object"),
    counted(tally.batches, "batch", "batches"),
    formatBytes(tally.bytes),
    `${counted(tally.orphans, "orphan")} (${formatBytes(tally.orphanBytes)})`,
    ...(tally.strangers > 0 ? [counted(tally.strangers, "stranger")] : []),
    counted(tally.findings, "finding"),
  ];
  return counts.join(", ");
}
