import type { LogCommand } from "#lib/log/log-command.ts";
import type { LogJournal } from "#lib/log/log-journals.ts";
import { type LogSegment, partitionKey, type WriteAheadEntry } from "#lib/log/log-state.ts";
import { SEGMENTS_FEATURE_LEVEL } from "#lib/log/log-state-machine.ts";
import type { TopicPlacement } from "#lib/log/partition-directory.ts";
import { entryInput, segmentKey } from "#lib/log/segments.ts";
import { splitBatches } from "#lib/record/record-batch.ts";
import { segmentDirectory } from "#lib/storage/object-keys.ts";
import { SegmentBuilder } from "#lib/storage/segments/segment-builder.ts";
import { defined } from "#lib/util/assert.ts";
import type { StoreId } from "#lib/util/branded.ts";
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

/** The entry's batches with their true offsets. */
function batchesOf(world: ReplicaWorld, { place, position, byteLength, baseOffset }: WriteAheadEntry): Uint8Array[] {
  if (place.kind !== "object") throw new Error("nothing is inlined here");
  const { bytes } = defined(world.service(defined(place.copies[0])).objects.get(place.key));
  const batches = Buffer.from(bytes.slice(position, position + byteLength));
  let offset = baseOffset;
  for (const batch of splitBatches(batches).batches) {
    const view = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
    view.writeBigInt64BE(BigInt(offset));
    offset += view.readInt32BE(23) + 1;
  }
  return [batches];
}
