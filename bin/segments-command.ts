import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command } from "commander";
import { formatNote } from "#lib/housekeeping/doctor/finding.ts";
import { StorePresence } from "#lib/housekeeping/doctor/store-presence.ts";
import { isLost, segmentKey } from "#lib/log/segments.ts";
import { SILENT_LOGGER } from "#lib/runtime/logger.ts";
import { counted } from "./cli/counted.ts";
import { endWithReader, Output } from "./cli/output.ts";
import { Progress } from "./cli/progress.ts";
import { dumpIndex, dumpLog } from "./cli/segment-dump.ts";
import { type ListedPartition, type ListedSegment, listPartitions, segmentsOf } from "./cli/segment-list.ts";
import { SegmentVerifier } from "./cli/segment-verify.ts";
import { formatBytes, formatTable, formatTime } from "./cli/table.ts";
import { CommandFailure, UsageError } from "./cli/usage-error.ts";
import type { DataDirBroker } from "./data-dir-broker.ts";

interface OpenedPlace extends Pick<DataDirBroker, "stores"> {
  readonly partitions: readonly ListedPartition[];
  /** As they are now. */
  readonly list: () => Promise<readonly ListedPartition[]>;
}

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
  const pending = `${counted(entries, "write-ahead entry", "write-ahead entries")} (${formatBytes(entryBytes)}) not compacted yet`;
  return `${counted(partitions.length, "partition")}, ${counted(segments, "segment")} (${formatBytes(bytes)}), ${pending}`;
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
        "\nObjects that Millrace did not write are told in lines STRANGER; they are no findings, and nothing touches them." +
        "\nWhat is not compacted yet is not looked at: see millrace doctor.",
    )
    .action(verify);
}

async function verify(options: PlaceOptions): Promise<void> {
  endWithReader();
  await using opened = new AsyncDisposableStack();
  const { partitions, stores, list } = await open(options, opened);
  const output = new Output();
  const isJson = options.json === true;
  const { signal } = new AbortController();
  const sources = new Map(stores.ids.map((id) => [id, stores.store(id)]));
  const verifier = new SegmentVerifier({
    stores,
    presence: await StorePresence.of({ stores: sources }, signal),
    isLive: async (sought) => segmentsOf(await list()).some((segment) => isSame(segment, sought)),
    onFinding: (finding) =>
      void output.write(
        isJson ? `${JSON.stringify(finding)}\n` : `FINDING ${finding.kind} ${finding.where}: ${finding.what}\n`,
      ),
    onNote: (note) => void output.write(isJson ? `${JSON.stringify(note)}\n` : `${formatNote(note)}\n`),
    signal,
  });
  const { tally } = verifier;
  {
    using _progress = new Progress(() => `checked ${counted(tally.segments, "segment")}, ${formatBytes(tally.bytes)}`);
    for (const segment of segmentsOf(partitions)) await verifier.verify(segment);
    verifier.reportAway();
    if (options.topic === undefined) await verifier.findStrangers();
  }
  const { segments, objects, bytes, strangers, findings } = tally;
  const read = `${counted(segments, "segment")}, ${counted(objects, "object")}, ${formatBytes(bytes)}`;
  const text = `checked ${read}, ${counted(strangers, "stranger")}, ${counted(findings, "finding")}`;
  await output.write(isJson ? `${JSON.stringify({ summary: tally })}\n` : `${text}\n`);
  await output.flush();
  if (findings === 0) return;
  throw new CommandFailure(
    `${counted(findings, "finding")}: run millrace doctor --data-dir ${options.dataDir} for what to do`,
  );
}

function isSame({ topic, partition, segment }: ListedSegment, other: ListedSegment): boolean {
  const { directory, baseOffset } = other.segment;
  return (
    topic === other.topic &&
    partition === other.partition &&
    segment.directory === directory &&
    segment.baseOffset === baseOffset
  );
}

async function open({ dataDir, topic }: PlaceOptions, opened: AsyncDisposableStack): Promise<OpenedPlace> {
  const { openDataDirBroker } = await import("./data-dir-broker.ts");
  const { broker, stores } = await openDataDirBroker(dataDir, SILENT_LOGGER, opened);
  const { signal } = new AbortController();
  const list = () => listPartitions(broker.services, { topic, signal });
  return { stores, list, partitions: await list() };
}
