import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { TopicProducer } from "#lib/client/topic-producer.ts";
import type { NewRecord } from "#lib/record/record.ts";
import { addBootstrapOption, type ClientOptions, collect, openClient } from "./cli/client.ts";
import { counted } from "./cli/counted.ts";
import { splitLines } from "./cli/lines.ts";
import { parseAcks, parseCompression, parseInteger, parseKeyValue, parseSeparator } from "./cli/parse.ts";
import { Progress } from "./cli/progress.ts";
import { type InputRecord, type LineFormat, recordOfJson, recordOfLine } from "./cli/record-input.ts";
import { tellRetries } from "./cli/retries.ts";
import { formatBytes } from "./cli/table.ts";
import { CommandFailure, UsageError } from "./cli/usage-error.ts";

interface ProduceOptions extends ClientOptions {
  readonly file?: readonly string[];
  readonly wholeFile?: boolean;
  readonly json?: boolean;
  readonly recordKey?: string;
  readonly keySeparator?: string;
  readonly header?: readonly string[];
  readonly nullValue?: string;
  readonly partition?: string;
  readonly compression: string;
  readonly acks: string;
  readonly idempotence: boolean;
  readonly timeoutMs: string;
}

/** The exit status of a command that Ctrl-C has ended, as shells count it. */
const INTERRUPTED = 130;

/** `millrace produce`: lines, JSON lines or whole files as records. */
export function produceCommand(): Command {
  return addBootstrapOption(new Command("produce"))
    .description("produce the lines of stdin or of files, one record each")
    .argument("<TOPIC>")
    .option("-f, --file <FILE>", "read this file instead of stdin; repeatable, in order", collect)
    .option("--whole-file", "each --file is one record, byte for byte")
    .option(
      "--json",
      "lines are objects { key, value, headers, timestamp, partition }, as consume --format json writes them",
    )
    .option("-k, --record-key <TEXT>", "key of every record")
    .option("-K, --key-separator <TEXT>", "what stands between key and value in a line; \\t is a tab")
    .option("-H, --header <KEY=VALUE>", "a header of every record; repeatable", collect)
    .option("--null-value <TEXT>", "a value of just this text is null, a tombstone")
    .option("-p, --partition <N>", "partition of every record (default: by key as Kafka's clients do, else in turn)")
    .option("-z, --compression <CODEC>", "none, gzip, snappy, lz4 or zstd", "none")
    .option("--acks <ACKS>", "all, 1 or 0: who must have a record before it counts as produced", "all")
    .option("--no-idempotence", "let a batch sent again after a lost answer be stored twice")
    .option("--timeout-ms <MS>", "how long a batch is tried in milliseconds, retriable errors included", "120000")
    .addHelpText(
      "after",
      "\nRecords of one partition stay in order. acks 1 and 0 are not idempotent." +
        "\nThe last line on stdout says how much was produced; exit status 1 if a record was not.",
    )
    .action(produce);
}

async function produce(topic: string, options: ProduceOptions): Promise<void> {
  const settings = settingsOf(options);
  await using client = openClient(options);
  const controller = new AbortController();
  const acks = parseAcks(options.acks);
  const producer = await TopicProducer.open(client, {
    topic,
    acks,
    isIdempotent: options.idempotence,
    codec: parseCompression(options.compression),
    timeoutMs: parseInteger(options.timeoutMs, { name: "--timeout-ms", min: 1 }),
    signal: controller.signal,
    onRetry: tellRetries(),
  });
  const counts = { records: 0, bytes: 0 };
  const startedMs = performance.now();
  const summary = () => summaryOf(counts, performance.now() - startedMs);
  using progress = new Progress(() => `producing ${summary()}`);
  const interrupted = () => {
    progress[Symbol.dispose]();
    process.stderr.write(`interrupted: ${producer.recordCount} of ${counts.records} records were acknowledged\n`);
    process.exit(INTERRUPTED);
  };
  process.on("SIGINT", interrupted);
  try {
    for await (const records of inputOf(settings)) {
      for (const { record, partition } of records) {
        const index = partition ?? settings.partition;
        if (index !== undefined && index >= producer.partitionCount) {
          throw new UsageError(`there is no partition ${index}: ${topic} has 0 to ${producer.partitionCount - 1}`);
        }
        counts.records++;
        counts.bytes += (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0);
        const room = producer.append(record, index);
        if (room !== undefined) await room;
      }
    }
  } catch (error) {
    // A usage error promises that nothing was sent. If the flush below fails, its error is the one that is told.
    if (!(error instanceof UsageError) || counts.records === 0) throw error;
    const first = counts.records === 1 ? "the first record was" : `the first ${counts.records} records were`;
    throw new CommandFailure(`${error.message}; ${first} produced, the rest was not`);
  } finally {
    // Whatever ends the input, what was read before counts.
    await producer.flush().finally(() => {
      process.off("SIGINT", interrupted);
      progress[Symbol.dispose]();
      if (producer.recordCount < counts.records) {
        process.stderr.write(`acknowledged ${producer.recordCount} of ${counted(counts.records, "record")}\n`);
      }
    });
  }
  process.stdout.write(`produced ${summary()}\n`);
}

function summaryOf({ records, bytes }: { readonly records: number; readonly bytes: number }, ms: number): string {
  const seconds = Math.max(ms, 1) / 1000;
  const rate = `${Math.round(records / seconds)} records/s, ${formatBytes(bytes / seconds)}/s`;
  return `${counted(records, "record")}, ${formatBytes(bytes)} in ${seconds.toFixed(1)} s (${rate})`;
}

interface Settings {
  readonly files: readonly string[];
  readonly isWholeFile: boolean;
  readonly isJson: boolean;
  readonly format: LineFormat;
  readonly key: Uint8Array | undefined;
  readonly partition: number | undefined;
}

function settingsOf(options: ProduceOptions): Settings {
  const files = options.file ?? [];
  const isWholeFile = options.wholeFile === true;
  const isJson = options.json === true;
  if (isWholeFile && files.length === 0) throw new UsageError("--whole-file needs a --file");
  if (isWholeFile && isJson) throw new UsageError("--whole-file and --json exclude each other");
  if (options.keySeparator !== undefined && (isJson || isWholeFile || options.recordKey !== undefined)) {
    throw new UsageError("--key-separator goes with plain lines without --record-key");
  }
  const headers = (options.header ?? []).map((text) => {
    const { key, value } = parseKeyValue(text, "--header");
    return { key, value: Buffer.from(value) };
  });
  const keySeparator = options.keySeparator === undefined ? undefined : parseSeparator(options.keySeparator);
  const { partition, recordKey: key } = options;
  return {
    files,
    isWholeFile,
    isJson,
    format: { keySeparator, nullValue: options.nullValue, headers },
    key: key === undefined ? undefined : Buffer.from(key),
    partition: partition === undefined ? undefined : parseInteger(partition, { name: "--partition", min: 0 }),
  };
}

/** Records as many at a time as one read brings. */
async function* inputOf(settings: Settings): AsyncGenerator<readonly InputRecord[]> {
  const { files, isWholeFile, format, key } = settings;
  if (isWholeFile) {
    for (const file of files) {
      const record = {
        timestampMs: Date.now(),
        key: key ?? null,
        value: await readFile(file),
        headers: format.headers,
      };
      yield [{ record, partition: undefined }];
    }
    return;
  }
  const sources = files.length === 0 ? [undefined] : files;
  for (const file of sources) {
    let lineNumber = 0;
    const stream: AsyncIterable<Uint8Array> = file === undefined ? process.stdin : createReadStream(file);
    for await (const lines of splitLines(stream)) {
      const first = lineNumber + 1;
      lineNumber += lines.length;
      yield lines.map((line, index) => recordAt(line, () => `${file ?? "stdin"}:${first + index}`, settings));
    }
  }
}

function recordAt(line: Buffer, where: () => string, { isJson, format, key }: Settings): InputRecord {
  try {
    const input: InputRecord = isJson
      ? recordOfJson(line, format, Date.now())
      : { record: recordOfLine(line, format, Date.now()), partition: undefined };
    return key === undefined || input.record.key !== null ? input : { ...input, record: withKey(input.record, key) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${where()}: ${error.message}`);
  }
}

function withKey(record: NewRecord, key: Uint8Array): NewRecord {
  return { ...record, key };
}
