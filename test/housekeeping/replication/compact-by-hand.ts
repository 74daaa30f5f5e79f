import { expect } from "vitest";
import type { LogCommand } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { type LogSegment, partitionKey, type WriteAheadEntry } from "#lib/log/log-state.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { entryInput, segmentKey } from "#lib/log/segments.ts";
import { LAST_OFFSET_DELTA_AT, splitBatches } from "#lib/record/record-batch.ts";
import { segmentDirectory, writeAheadKey } from "#lib/storage/object-keys.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { sealWriteAheadSegment } from "#lib/storage/write-ahead-segment.ts";
import { defined } from "#lib/util/assert.ts";
import { flushIdFromBytes, type ObjectKey, type StoreId } from "#lib/util/branded.ts";
import { joinChunks } from "#lib/util/join-chunks.ts";
import type { ReplicaWorld } from "./replica-world.ts";

const never = new AbortController().signal;
const HOUR_MS = 3_600_000;

export interface CompactByHand {
  readonly journal: LogJournal;
  readonly topic: TopicPlacement;
  /** The stores that get the segment; the command names them. */
  readonly copies: readonly StoreId[];
}

/** Makes one segment of all entries of partition 0. */
export async function compactByHand(
  world: ReplicaWorld,
  { journal, topic, copies }: CompactByHand,
): Promise<LogSegment> {
  const { topicId } = topic;
  const { entries } = defined(journal.state.partitions.get(partitionKey(topicId, 0)));
  const first = defined(entries[0]);
  const builder = new SegmentBuilder({ baseOffset: first.baseOffset });
  for (const entry of entries) builder.add(batchesOf(world, entry));
  const files = builder.finish();
  const place = { uploadEpoch: Math.floor(world.clock.nowMs() / HOUR_MS), attemptId: "ab".repeat(16) };
  const segment: LogSegment = {
    baseOffset: files.baseOffset,
    nextOffset: files.nextOffset,
    directory: segmentDirectory({ ...place, topic: "t", partitionIndex: 0 }),
    byteLength: files.logByteLength,
    indexByteLength: files.index.byteLength,
    timeIndexByteLength: files.timeIndex.byteLength,
    txnIndexByteLength: files.txnIndex.byteLength,
    maxTimestampMs: files.maxTimestampMs,
    appendedAtMs: defined(entries.at(-1)).appendedAtMs,
    isCleaned: false,
    copies,
  };
  for (const id of copies) {
    const service = world.service(id);
    service.put(segmentKey(segment, "log"), joinChunks(files.log));
    service.put(segmentKey(segment, "index"), files.index);
    service.put(segmentKey(segment, "timeindex"), files.timeIndex);
  }
  const inputs = entries.map(entryInput);
  const command: LogCommand = { kind: "replace", topicId, partitionIndex: 0, inputs, segments: [segment] };
  await world.clock.run(journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, never));
  const { outcome } = await world.clock.run(journal.propose(command, { lane: "test", signal: never }));
  if (outcome.kind !== "done") throw new Error(`the segment was not taken: ${JSON.stringify(outcome)}`);
  return segment;
}

/** Puts all entries of partition 0 into one new write-ahead object; its key. */
export async function gatherByHand(world: ReplicaWorld, { journal, topic, copies }: CompactByHand): Promise<ObjectKey> {
  const { topicId } = topic;
  const { entries } = defined(journal.state.partitions.get(partitionKey(topicId, 0)));
  const flushId = flushIdFromBytes(Buffer.alloc(16, 7));
  const batches = entries.flatMap((entry) => splitBatches(storedBytes(world, entry)).batches);
  const parts = [{ topicId, partitionIndex: 0, batches }];
  const { chunks, positions } = sealWriteAheadSegment({ flushId, parts });
  const bytes = joinChunks(chunks);
  const uploadEpoch = Math.floor(world.clock.nowMs() / HOUR_MS);
  const key = writeAheadKey({ uploadEpoch, writerId: "cd".repeat(8), flushId });
  for (const id of copies) world.service(id).put(key, bytes);
  const part = { topicId, partitionIndex: 0, inputs: entries.map(entryInput), position: defined(positions[0]) };
  const object = { flushId, key, byteLength: bytes.byteLength, copies };
  const command: LogCommand = { kind: "gather", ...object, parts: [part] };
  await world.clock.run(journal.raiseFeatureLevel(SEGMENTS_FEATURE_LEVEL, never));
  const { outcome } = await world.clock.run(journal.propose(command, { lane: "test", signal: never }));
  expect(outcome).toEqual({ kind: "gathered", parts: [true] });
  return key;
}

/** The entry's batches with their true offsets. */
function batchesOf(world: ReplicaWorld, entry: WriteAheadEntry): Uint8Array[] {
  const batches = Buffer.from(storedBytes(world, entry));
  let offset = entry.baseOffset;
  for (const batch of splitBatches(batches).batches) {
    const view = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
    view.writeBigInt64BE(BigInt(offset));
    offset += view.readInt32BE(LAST_OFFSET_DELTA_AT) + 1;
  }
  return [batches];
}

function storedBytes(world: ReplicaWorld, { place, position, byteLength }: WriteAheadEntry): Uint8Array {
  if (place.kind !== "object") throw new Error("nothing is inlined here");
  const { bytes } = defined(world.service(defined(place.copies[0])).objects.get(place.key));
  return bytes.slice(position, position + byteLength);
}
