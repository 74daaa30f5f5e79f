import { MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import type { LogOutcome, ReplaceInput } from "#lib/log/log-command.ts";
import { type LogSegment, type PartitionState, partitionKey } from "#lib/log/log-state.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import { journalOfPartition, type TopicPlacement } from "#lib/log/partition-directory.ts";
import { entryInput, segmentInput, segmentKey } from "#lib/log/segments.ts";
import { lastOffsetOf, readBatchHeader, splitBatches } from "#lib/record/record-batch.ts";
import { segmentDirectory } from "#lib/storage/object-keys.ts";
import { SegmentBuilder, type SegmentFiles } from "#lib/storage/segments/segment-builder.ts";
import { defined } from "#lib/util/assert.ts";
import { emptyBatch } from "../storage/segments/crafted-batches.ts";
import { joined } from "./fetch-fixtures.ts";
import { type FetchProcess, type FetchWorld, NEVER } from "./fetch-harness.ts";

export interface StoredSegmentOptions {
  /** Default: where the first batch begins. */
  readonly baseOffset?: number;
  readonly indexIntervalBytes?: number;
  readonly isCleaned?: boolean;
  readonly partitionIndex?: number;
  readonly appendedAtMs?: number;
}

/** Writes a segment of `batches`, which have true offsets, to both stores of the world. No journal knows of it yet. */
export async function storeSegment(
  world: FetchWorld,
  batches: readonly Uint8Array[],
  options: StoredSegmentOptions = {},
): Promise<LogSegment> {
  const { baseOffset = readBatchHeader(defined(batches[0])).baseOffset, indexIntervalBytes = 4_096 } = options;
  const builder = new SegmentBuilder({ baseOffset, indexIntervalBytes });
  for (const batch of batches) builder.add([batch]);
  const segment = describeSegment(world, builder.finish(), options);
  await putFiles(world, segment, builder.finish());
  return segment;
}

function describeSegment(world: FetchWorld, files: SegmentFiles, options: StoredSegmentOptions): LogSegment {
  return {
    baseOffset: files.baseOffset,
    nextOffset: files.nextOffset,
    directory: segmentDirectory({
      uploadEpoch: 100,
      attemptId: world.nextFlush().toString(16).padStart(32, "0"),
      topic: "topic",
      partitionIndex: options.partitionIndex ?? 0,
    }),
    byteLength: files.logByteLength,
    indexByteLength: files.index.byteLength,
    timeIndexByteLength: files.timeIndex.byteLength,
    txnIndexByteLength: files.txnIndex.byteLength,
    maxTimestampMs: files.maxTimestampMs,
    appendedAtMs: options.appendedAtMs ?? world.clock.nowMs(),
    isCleaned: options.isCleaned ?? false,
    copies: [0, 1],
  };
}

async function putFiles(world: FetchWorld, segment: LogSegment, files: SegmentFiles): Promise<void> {
  for (const service of world.storeServices) {
    const store = new MemoryObjectStore(service, { clock: world.clock });
    const put = (suffix: "log" | "index" | "timeindex" | "txnindex", chunks: readonly Uint8Array[]) =>
      store.putIfAbsent(segmentKey(segment, suffix), chunks, NEVER);
    await put("log", files.log);
    await put("index", [files.index]);
    await put("timeindex", [files.timeIndex]);
    if (files.txnIndex.byteLength > 0) await put("txnindex", [files.txnIndex]);
  }
}

export function stateOf(process: FetchProcess, topic: TopicPlacement, partitionIndex = 0): PartitionState {
  const journal = process.journals.opened(journalOfPartition(topic, partitionIndex));
  return defined(journal?.state.partitions.get(partitionKey(topic.topicId, partitionIndex)), "partition");
}

/** Proposes to put `segments` in the place of `inputs`. */
export async function replaceInputs(
  process: FetchProcess,
  topic: TopicPlacement,
  command: {
    readonly partitionIndex?: number;
    readonly inputs: readonly ReplaceInput[];
    readonly segments: readonly LogSegment[];
  },
): Promise<LogOutcome> {
  const { partitionIndex = 0 } = command;
  const journal = await process.journals.journal(journalOfPartition(topic, partitionIndex), NEVER);
  await journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, NEVER);
  return process.propose(topic, partitionIndex, {
    ...command,
    kind: "replace",
    topicId: topic.topicId,
    partitionIndex,
  });
}

export interface CompactOptions extends StoredSegmentOptions {
  /** Segments, from this one on and so many, and entries that become one segment. Default: all entries, no segment. */
  readonly firstSegment?: number;
  readonly segmentCount?: number;
  readonly entryCount?: number;
  /** All batches of these, with true offsets; read by fetches if they are not given. */
  readonly batches?: readonly Uint8Array[];
  /** Batches that stay. If the last one does not, an empty one takes its place. */
  readonly keeps?: (baseOffset: number) => boolean;
}

/**
 * Makes one log segment of adjacent segments and entries of a partition, in whose place it is put. To be run by the
 * world's clock. Answers undefined if there is nothing to make it of.
 */
export async function compact(
  process: FetchProcess,
  topic: TopicPlacement,
  options: CompactOptions = {},
): Promise<LogSegment | undefined> {
  const { partitionIndex = 0, segmentCount = 0, keeps } = options;
  const { segments, entries } = stateOf(process, topic, partitionIndex);
  const { firstSegment = segments.length - segmentCount, entryCount = entries.length } = options;
  const oldSegments = segments.slice(firstSegment, firstSegment + segmentCount);
  const oldEntries = entries.slice(0, entryCount);
  const inputs = [...oldSegments.map(segmentInput), ...oldEntries.map(entryInput)];
  const [first, last] = [inputs[0], inputs.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const range = { partitionIndex, ...first, nextOffset: last.nextOffset };
  const batches =
    options.batches?.filter((batch) => isWithin(batch, range)) ?? (await readBatches(process, topic, range));
  const kept = keeps === undefined ? batches : keptOf(batches, keeps, last.nextOffset);
  const isCleaned = keeps !== undefined || oldSegments.some((segment) => segment.isCleaned);
  const base = { isCleaned, ...options, partitionIndex, baseOffset: first.baseOffset };
  const segment = await storeSegment(process.world, kept, base);
  const outcome = await replaceInputs(process, topic, { partitionIndex, inputs, segments: [segment] });
  if (outcome.kind !== "done") throw new Error(`the replacement is ${outcome.kind}`);
  return segment;
}

function isWithin(batch: Uint8Array, range: { readonly baseOffset: number; readonly nextOffset: number }): boolean {
  const { baseOffset } = readBatchHeader(batch);
  return baseOffset >= range.baseOffset && baseOffset < range.nextOffset;
}

/** The batches that are left of these, which end at `nextOffset`; the last one may be an empty one. */
export function keptOf(
  batches: readonly Uint8Array[],
  keeps: (baseOffset: number) => boolean,
  nextOffset: number,
): readonly Uint8Array[] {
  const kept = batches.filter((batch) => keeps(readBatchHeader(batch).baseOffset));
  const end = kept.length === 0 ? undefined : lastOffsetOf(readBatchHeader(defined(kept.at(-1)))) + 1;
  if (end === nextOffset) return kept;
  const header = readBatchHeader(defined(batches.at(-1)));
  const { bytes } = emptyBatch(header.baseOffset, nextOffset - header.baseOffset, header.maxTimestamp);
  return [...kept, bytes];
}

/** By fetches, so the log start must not lie behind `baseOffset`. */
async function readBatches(
  process: FetchProcess,
  topic: TopicPlacement,
  range: { readonly partitionIndex: number; readonly baseOffset: number; readonly nextOffset: number },
): Promise<readonly Uint8Array[]> {
  const batches: Uint8Array[] = [];
  for (let fetchOffset = range.baseOffset; fetchOffset < range.nextOffset; ) {
    const request = { topic, partitionIndex: range.partitionIndex, fetchOffset, bytesMax: 1_000_000 };
    const fetched = defined((await process.fetch([request]))[0]);
    for (const batch of splitBatches(joined(fetched.records)).batches) {
      const header = readBatchHeader(batch);
      if (header.baseOffset >= range.nextOffset || lastOffsetOf(header) < fetchOffset) continue;
      batches.push(batch);
      fetchOffset = lastOffsetOf(header) + 1;
    }
    if (fetched.recordsByteLength === 0) throw new Error(`no batch at ${fetchOffset}: error ${fetched.error}`);
  }
  return batches;
}
