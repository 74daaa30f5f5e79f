import { Command } from "commander";
import type { KafkaClient } from "#lib/client/kafka-client.ts";
import { KafkaError } from "#lib/client/kafka-error.ts";
import { listOffsets, oneTopic, type TopicMetadata } from "#lib/client/topic-metadata.ts";
import { type ReadPosition, readTopic } from "#lib/client/topic-reader.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ListOffsetsTimestamp } from "#lib/protocol/messages/list-offsets.ts";
import { addBootstrapOption, type ClientOptions, collect, openClient } from "./cli/client.ts";
import { endWithReader, Output } from "./cli/output.ts";
import { type From, parseFrom, parseInteger, parseSeparator } from "./cli/parse.ts";
import { formatRecord, OUTPUT_FORMATS, type OutputStyle } from "./cli/record-output.ts";
import { tellRetries } from "./cli/retries.ts";
import { UsageError } from "./cli/usage-error.ts";

const NEVER = new AbortController().signal;

interface ConsumeOptions extends ClientOptions {
  readonly partition?: readonly string[];
  readonly from: string;
  readonly follow?: boolean;
  readonly maxRecords?: string;
  readonly format: string;
  readonly keySeparator: string;
  readonly nullText: string;
  readonly timeoutMs: string;
}

/** `millrace consume`: records of a topic on stdout, without a group. */
export function consumeCommand(): Command {
  return addBootstrapOption(new Command("consume"))
    .description("write the records of a topic to stdout, up to where its log ends now")
    .argument("<TOPIC>")
    .option("-p, --partition <N>", "only this partition; repeatable (default: all)", collect)
    .option("--from <WHERE>", "beginning, end, offset:N, or time:T (ISO 8601, or milliseconds since 1970)", "beginning")
    .option("-f, --follow", "go on with what comes later, through lost connections too")
    .option("-n, --max-records <N>", "stop after so many records")
    .option("--format <FORMAT>", `${OUTPUT_FORMATS.join(", ")}; JSON has one object a line`, "value")
    .option("-K, --key-separator <TEXT>", "what stands between key and value with key-value", "\\t")
    .option("--null-text <TEXT>", "what stands for a null key or value, except in JSON", "null")
    .option("--timeout-ms <MS>", "how long retriable errors are tried in milliseconds, without --follow", "30000")
    .addHelpText(
      "after",
      "\nRecords of one partition are in order; partitions are read side by side." +
        "\nJSON: partition, offset, timestamp (ms), key, value, headers; what is not UTF-8 is base64, and" +
        '\nkeyEncoding or valueEncoding says "base64" then. produce --json reads it back.',
    )
    .action(consume);
}

async function consume(name: string, options: ConsumeOptions): Promise<void> {
  const style = styleOf(options);
  const from = parseFrom(options.from);
  const recordsMax =
    options.maxRecords === undefined ? Infinity : parseInteger(options.maxRecords, { name: "--max-records", min: 0 });
  const timeoutMs = parseInteger(options.timeoutMs, { name: "--timeout-ms", min: 0 });
  const isFollowing = options.follow === true;
  endWithReader();
  await using client = openClient(options);
  const topic = await oneTopic(client, name, { timeoutMs: Math.min(timeoutMs, 5_000), signal: NEVER });
  const indexes = indexesOf(topic, options.partition);
  const positions = await client.retrying(() => positionsOf(client, topic, { indexes, from, isFollowing }), {
    timeoutMs,
    signal: NEVER,
  });
  const output = new Output();
  let left = recordsMax;
  const reading = { positions, timeoutMs: isFollowing ? Infinity : timeoutMs, signal: NEVER, onRetry: tellRetries() };
  // What has come is shown before the next wait.
  const idle = isFollowing ? setInterval(() => void output.flush(), FLUSH_PERIOD_MS) : undefined;
  try {
    if (left === 0) return;
    for await (const records of readTopic(client, topic, reading)) {
      for (const read of records.slice(0, Math.min(left, records.length))) {
        const behind = output.write(...formatRecord(read, style));
        if (behind !== undefined) await behind;
      }
      left -= records.length;
      if (left <= 0) break;
    }
  } finally {
    clearInterval(idle);
    await output.flush();
  }
}

const FLUSH_PERIOD_MS = 50;

function styleOf({ format, keySeparator, nullText }: ConsumeOptions): OutputStyle {
  const known = OUTPUT_FORMATS.find((each) => each === format);
  if (known === undefined) throw new UsageError(`--format is ${OUTPUT_FORMATS.join(", ")}, not "${format}"`);
  return { format: known, keySeparator: parseSeparator(keySeparator), nullText };
}

function indexesOf(topic: TopicMetadata, wanted: readonly string[] | undefined): readonly number[] {
  const all = topic.partitions.map((partition) => partition.index);
  if (wanted === undefined) return all;
  return wanted.map((text) => {
    const index = parseInteger(text, { name: "--partition", min: 0 });
    if (all.includes(index)) return index;
    const detail = `There is no partition ${index}; ${topic.name} has 0 to ${all.length - 1}.`;
    throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `${topic.name}-${index}`, detail);
  });
}

async function positionsOf(
  client: KafkaClient,
  topic: TopicMetadata,
  query: { readonly indexes: readonly number[]; readonly from: From; readonly isFollowing: boolean },
): Promise<Map<number, ReadPosition>> {
  const { indexes, from, isFollowing } = query;
  const onRetry = tellRetries();
  const at = (timestamp: number) => listOffsets(client, topic, { indexes, timestamp, onRetry }, NEVER);
  const ends = await at(ListOffsetsTimestamp.LATEST);
  const starts = await startsOf(from, ends, at);
  if (from.kind === "offset")
    checkRange(topic.name, from.offset, { ends, earliest: await at(ListOffsetsTimestamp.EARLIEST) });
  return new Map(
    indexes.map((index) => {
      const end = ends.get(index) ?? 0;
      return [index, { next: starts.get(index) ?? end, end: isFollowing ? undefined : end }];
    }),
  );
}

function checkRange(
  name: string,
  offset: number,
  range: { readonly earliest: ReadonlyMap<number, number>; readonly ends: ReadonlyMap<number, number> },
): void {
  for (const [index, end] of range.ends) {
    const earliest = range.earliest.get(index) ?? 0;
    if (offset >= earliest && offset <= end) continue;
    const detail = `Offset ${offset} is not within ${earliest} to ${end}; name partitions that have it with --partition.`;
    throw new KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE, `${name}-${index}`, detail);
  }
}

async function startsOf(
  from: From,
  ends: ReadonlyMap<number, number>,
  at: (timestamp: number) => Promise<ReadonlyMap<number, number>>,
): Promise<ReadonlyMap<number, number>> {
  switch (from.kind) {
    case "beginning":
      return at(ListOffsetsTimestamp.EARLIEST);
    case "end":
      return ends;
    case "offset":
      return new Map([...ends.keys()].map((index) => [index, from.offset]));
    case "time": {
      const found = await at(from.timestampMs);
      // No record is as young: whatever comes later is.
      return new Map([...found].map(([index, offset]) => [index, offset < 0 ? (ends.get(index) ?? 0) : offset]));
    }
  }
}
