import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command } from "commander";
import { checkSegment } from "#lib/housekeeping/segment-check.ts";
import { isLost, segmentKey } from "#lib/log/segments.ts";
import { endWithReader, Output } from "./cli/output.ts";
import { Progress } from "./cli/progress.ts";
import { dumpIndex, dumpLog } from "./cli/segment-dump.ts";
import { type ListedPartition, listPartitions, segmentsOf } from "./cli/segment-list.ts";
import { findStrangers } from "./cli/segment-strangers.ts";
import { formatBytes, formatTable, formatTime } from "./cli/table.ts";
import { CommandFailure, UsageError } from "./cli/usage-error.ts";
import type { DataDirBroker } from "./data-dir-broker.ts";

interface PlaceOptions {
  readonly dataDir: string;
  readonly topic?: string;
  readonly json?: boolean;
}

/** `millrace segments`: the log segments that compaction has made. */
export function segmentsCommand(): Command {
  return new Command("segments")
    .description("list, show and check log segments: <base offset>.log and its indexes")
    .addCommand(listCommand())
    .addCommand(dumpCommand())
    .addCommand(verifyCommand());
}

function addPlaceOptions(command: Command): Command {
  return command
    .requiredOption("--data-dir <DIR>", "the brokers' data directory; they may be running")
    .option("--topic <TOPIC>", "of this topic only (default: of all)");
}

function listCommand(): Command {
  return addPlaceOptions(new Command("list"))
    .description("list segments with their offsets, sizes, times and keys")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      "\nA key is a path below each store that has it (store-0 and so on in the data directory)." +
        "\nWhat is not compacted yet is counted on stderr; `millrace run compactor --now` makes segments of it.",
    )
    .action(list);
}

async function list(options: PlaceOptions): Promise<void> {
  endWithReader();
  await using opened = new AsyncDisposableStack();
  const { partitions } = await open(options, opened);
  const found = segmentsOf(partitions);
  const output = new Output();
  if (options.json === true) {
    const views = found.map(({ topic, partition, segment }) => ({ topic, partition, ...segment, key: keyOf(segment) }));
    await output.write(`${JSON.stringify(views)}\n`);
  } else {
    const header = ["topic", "partition", "base", "next", "bytes", "max-timestamp", "cleaned", "stores", "key"];
    const rows = found.map(({ topic, partition, segment }) => [
      ...[topic, partition, segment.baseOffset, segment.nextOffset, segment.byteLength],
      ...[formatTime(segment.maxTimestampMs), segment.isCleaned ? "yes" : "no"],
      ...[segment.copies.join(",") || "lost", keyOf(segment)],
    ]);
    await output.write(formatTable(header, rows));
  }
  await output.flush();
  process.stderr.write(`${summaryOf(partitions)}\n`);
}

function keyOf(segment: Parameters<typeof segmentKey>[0] & Parameters<typeof isLost>[0]): string {
  return isLost(segment) ? "-" : segmentKey(segment, "log");
}

function summaryOf(partitions: readonly ListedPartition[]): string {
  let segments = 0;
  let bytes = 0;
  let entries = 0;
  let entryBytes = 0;
  for (const { state } of partitions) {
    segments += state.segments.length;
    entries += state.entries.length;
    for (const { byteLength } of state.segments) bytes += byteLength;
    for (const { byteLength } of state.entries) entryBytes += byteLength;
  }
  const pending = `${entries} write-ahead entries (${formatBytes(entryBytes)}) not compacted yet`;
  return `${partitions.length} partitions, ${segments} segments (${formatBytes(bytes)}), ${pending}`;
}

interface DumpOptions {
  readonly printDataLog?: boolean;
}

function dumpCommand(): Command {
  return new Command("dump")
    .description("show what is in a .log, .index, .timeindex or .txnindex, ours or Kafka's")
    .argument("<FILE...>", "files, such as DIR/store-0/KEY")
    .option("--print-data-log", "the records of each batch as well")
    .action(dump);
}

async function dump(paths: readonly string[], options: DumpOptions): Promise<void> {
  endWithReader();
  const output = new Output();
  for (const path of paths) {
    const [, offset, kind] = /^(\d{20})\.(log|index|timeindex|txnindex)$/.exec(basename(path)) ?? [];
    if (offset === undefined || kind === undefined) {
      throw new UsageError(
        `${path} is not named as a segment's file: 20 digits and .log, .index, .timeindex or .txnindex`,
      );
    }
    const bytes = await readFile(path);
    const isDeep = options.printDataLog === true;
    const lines = kind === "log" ? dumpLog(bytes, { isDeep }) : dumpIndex(bytes, kind, Number(offset));
    await output.write(`${path}\n`);
    for (const line of lines) {
      const behind = output.write(`${line}\n`);
      if (behind !== undefined) await behind;
    }
  }
  await output.flush();
}

function verifyCommand(): Command {
  return addPlaceOptions(new Command("verify"))
    .description("read every byte of the segments in every store, and check batches, offsets and indexes")
    .option("--json", "findings as JSON lines, the summary last")
    .addHelpText(
      "after",
      "\nReads only. One line a finding on stdout, a summary last; exit status 1 if there is any finding." +
        "\nObjects that Millrace did not write are told, and never touched by anything. See also: millrace doctor",
    )
    .action(verify);
}

async function verify(options: PlaceOptions): Promise<void> {
  endWithReader();
  await using opened = new AsyncDisposableStack();
  const { partitions, stores } = await open(options, opened);
  const { signal } = new AbortController();
  const output = new Output();
  const tell = (kind: string, where: string, what: string): void => {
    const line = options.json === true ? JSON.stringify({ kind, where, what }) : `FINDING ${kind} ${where}: ${what}`;
    void output.write(`${line}\n`);
  };
  const tally = { segments: 0, objects: 0, bytes: 0, findings: 0 };
  {
    using _progress = new Progress(() => `checked ${tally.segments} segments, ${formatBytes(tally.bytes)}`);
    for (const { topic, partition, segment } of segmentsOf(partitions)) {
      tally.segments++;
      for (const storeId of segment.copies) {
        const of = `of ${topic}-${partition}, offsets ${segment.baseOffset} to ${segment.nextOffset - 1}`;
        const checked = await checkSegment(stores.store(storeId), segment, signal);
        tally.objects += checked.objects;
        tally.bytes += checked.bytes;
        for (const { key, kind, problem } of checked.faults) {
          tally.findings++;
          tell(`segment-${kind}`, `store ${storeId} object ${key}`, `${problem}; ${of}`);
        }
      }
    }
  }
  const strangers = options.topic === undefined ? await findStrangers(stores, signal) : [];
  for (const { storeId, key } of strangers)
    tell("stranger", `store ${storeId} object ${key}`, "Millrace did not write it");
  const summary = { ...tally, strangers: strangers.length };
  const text = `checked ${tally.segments} segments, ${tally.objects} objects, ${formatBytes(tally.bytes)}, ${strangers.length} strangers, ${tally.findings} findings`;
  await output.write(options.json === true ? `${JSON.stringify({ summary })}\n` : `${text}\n`);
  await output.flush();
  if (tally.findings > 0)
    throw new CommandFailure(`${tally.findings} ${tally.findings === 1 ? "finding" : "findings"}`);
}

async function open(
  { dataDir, topic }: PlaceOptions,
  opened: AsyncDisposableStack,
): Promise<Pick<DataDirBroker, "stores"> & { readonly partitions: readonly ListedPartition[] }> {
  const { openDataDirBroker } = await import("./data-dir-broker.ts");
  const { broker, stores } = await openDataDirBroker(dataDir, opened);
  const { signal } = new AbortController();
  return { stores, partitions: await listPartitions(broker.services, { topic, signal }) };
}
